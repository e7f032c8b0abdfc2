# error: [E0211] orthogonal
# a random rotation is I + U V of full rank only
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 1x1 (rank = 2) with det != 0 init orthogonal
  map x -> W(x)
}
