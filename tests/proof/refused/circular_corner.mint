# error: [E0701] det != 0
# the anchor decides nothing where taps wrap around: [1, 1] is singular at every even width
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 1x2 (anchor = top_left, boundary = circular) with det != 0
  map x -> W(x)
}
