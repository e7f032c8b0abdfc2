# error: [E0414] V(x) + W(x)
mint 1
layer A on Vec[D] ensures invertible {
  param V, W : linear with det != 0
  map x -> V(x) + W(x)
}
