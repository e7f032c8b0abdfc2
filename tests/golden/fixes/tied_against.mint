mint 1
layer A on Vec[D] ensures injective {
  param V : linear lower
  tie diag(V) <= 0
  map x -> x - tanh(V(x))
}
