mint 1
layer A on Vec[D] ensures injective {
  param W : linear strict lower
  map x -> sigmoid(W(x)) * x
}
