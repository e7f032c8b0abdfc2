# error: [E0701] det == 1
# one row is enough: two taps opposite each other make a circle of pixels
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 1x3 (dilation = 2) with det == 1
  map x -> W(x)
}
