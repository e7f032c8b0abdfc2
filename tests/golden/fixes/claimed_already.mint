mint 1
layer A on S ensures injective, invertible { param t : scale with diag > 0
  map x -> t * x + tanh(x) }
