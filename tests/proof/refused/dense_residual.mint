# error: [E0409] W(tanh(x))
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear
  map x -> x + W(tanh(x))
}
