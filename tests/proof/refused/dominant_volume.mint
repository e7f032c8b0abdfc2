# error: [E0601] volume_preserving
# the anchor keeps volumes, the other taps do not
mint 1
layer A on Image[C, H, W] ensures invertible, volume_preserving {
  param W : conv 3x3 with det != 0 via dominant
  map x -> W(x)
}
