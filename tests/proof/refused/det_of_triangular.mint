# error: [E0701] det != 0
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear lower with det != 0
  map x -> W(x)
}
