# error: [E0901] det != 0
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 with det != 0
  map x -> W(x)
}
