# error: [E0201] svd
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear with det != 0 via svd
  map x -> W(x)
}
