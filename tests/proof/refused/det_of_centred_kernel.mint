# error: [E0701] det != 0
# same padding: taps on both sides of the anchor; the row [1, 1, 1] is singular at widths 2, 5, 8
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 with det != 0
  map x -> W(x)
}
