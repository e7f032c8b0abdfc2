# error: [E0409] W(x)
mint 1
layer A on Vec[D] ensures lower, invertible {
  param W : linear (norm = weight)
  map x -> 3 * x + W(x)
}
