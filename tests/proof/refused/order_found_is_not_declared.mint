# the claim `lower` speaks of the declared order; another one was found
# error: [E0601] lower
mint 1
order pixels = (h, w)
layer Found on Image[C, H, W] ensures lower {
  order pixels
  param A : conv 1x3 lower with diag >= 0
  param B : conv 3x1 upper with diag >= 0
  param t : scale with diag > 0
  map x -> t * x + A(elu(B(x)))
}
