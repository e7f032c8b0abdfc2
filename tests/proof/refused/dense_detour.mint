# error: [E0409] V(x)
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear from Vec[D] to Vec[2 * D]
  param W : linear from Vec[2 * D] to Vec[D]
  map x -> x + W(tanh(V(x)))
}
