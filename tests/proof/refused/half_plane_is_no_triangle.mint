# error: [E0409] W(x)
# the anchor's matrix may be any regular one: block triangular, not triangular
mint 1
layer A on Image[C, H, W] ensures lower {
  param W : conv 3x3 (anchor = bottom_right) with det == 1 via householder
  map x -> W(x)
}
