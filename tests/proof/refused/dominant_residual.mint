# error: [E0414] x + W(x)
# -1 at the anchor gives 0
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 with det != 0 via dominant
  map x -> x + W(x)
}
