# error: [E0701] det != 0 via plu
# factors of a whole matrix are not U and V
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 1x1 (rank = 2) with det != 0 via plu
  map x -> W(x)
}
