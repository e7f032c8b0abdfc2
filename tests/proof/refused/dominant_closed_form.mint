# error: [E0601] inverse closed_form
# no order of the pixels, and no frequencies: it is solved by steps
mint 1
layer A on Image[C, H, W] ensures invertible, inverse closed_form {
  param W : conv 3x3 with det != 0 via dominant
  map x -> W(x)
}
