# error: [E0901] weights = w
mint 1
layer A on Vec[D] ensures invertible {
  param w : scale on Vec[2] with length == 1
  param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.9
  map x -> x + W(concat(x, tanh(x), weights = w))
}
