# error: [E0401] tanh(W(x))
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear strict lower
  map x -> x * tanh(W(x))
}
