# error: [E0414] W(x) + V(x)
# two corners, each a bijection: their sum has taps on both sides, and anchors 1 and -1 cancel
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 2x2 (anchor = bottom_right) with det == 1
  param V : conv 2x2 (anchor = top_left) with det == 1
  map x -> W(x) + V(x)
}
