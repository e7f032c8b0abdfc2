# error: [E0701] from Image[C, H, W] to Image[2 * C, H, W]
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 2x2 (anchor = bottom_right) from Image[C, H, W] to Image[2 * C, H, W] with det != 0
  param b : bias
  map x -> x + b
}
