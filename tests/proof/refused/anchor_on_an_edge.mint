# error: [E0701] det != 0
# between two corners taps lie on both sides: the row [1, 1, 1] beside it is singular at widths 2, 5, 8
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 (anchor = (2, 1)) with det != 0
  map x -> W(x)
}
