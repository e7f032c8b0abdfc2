# error: [E0209] conv 3x3 (anchor = bottom_right, rank = 2)
# only the matrix at one tap could be I + U V
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 (anchor = bottom_right, rank = 2) with det != 0
  map x -> W(x)
}
