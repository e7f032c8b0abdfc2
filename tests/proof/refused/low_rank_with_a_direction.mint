# error: [E0209] conv 1x1 lower (rank = 1)
# the lower triangle of u v' has a rank of its own
mint 1
layer A on Image[C, H, W] ensures lower, invertible {
  order channel_major
  param W : conv 1x1 lower (rank = 1) with diag > 0
  map x -> W(x)
}
