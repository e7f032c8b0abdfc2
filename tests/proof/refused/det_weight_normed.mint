# error: [E0701] det != 0
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear (norm = weight) with det != 0
  map x -> W(x)
}
