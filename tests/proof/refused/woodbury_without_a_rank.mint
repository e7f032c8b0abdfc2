# error: [E0701] det != 0 via woodbury
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 1x1 with det != 0 via woodbury
  map x -> W(x)
}
