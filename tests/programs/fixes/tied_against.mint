mint 1
layer A on Vec[D] ensures injective {
  param V : linear lower
  map x -> x - tanh(V(x))
}
