mint 1
act t(u) = relu(u)
layer A on S ensures injective { param t1 : scale with diag > 0
  map x -> t1 * x + t(x) }
