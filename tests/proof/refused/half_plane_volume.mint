# error: [E0601] volume_preserving
# the log-det of a corner whose diagonal is learned is H W log |det A|, not 0
mint 1
layer A on Image[C, H, W] ensures invertible, volume_preserving {
  param W : conv 3x3 (anchor = bottom_right) with det != 0
  map x -> W(x)
}
