# error: [E0414] x + W(x)
# -1 is among the values of det != 0 with one channel: x - x
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 (anchor = top_left) with det != 0
  map x -> x + W(x)
}
