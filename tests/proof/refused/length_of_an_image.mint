# error: [E0701] scale
mint 1
layer A on Image[C, H, W] ensures diagonal {
  param w : scale with length == 1
  map x -> w * x
}
