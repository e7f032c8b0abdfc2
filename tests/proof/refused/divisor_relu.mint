# error: [E0411] relu(W(x))
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear strict lower
  map x -> x / relu(W(x))
}
