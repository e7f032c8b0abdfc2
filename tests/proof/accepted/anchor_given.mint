# proves: A: lower, invertible
# proves: B: invertible
# class: A: lower, diag in (0, inf)
# class: B: dense, bijection by composition
# row and column of the tap that meets the pixel itself: masks follow from it, and so do the sides on which taps lie
mint 1
const last = 3
layer A on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower (anchor = (0, 1)) with diag > 0
  param l : conv 2x4 lower (anchor = (1, last)) with diag >= 0
  map x -> k(x) + l(x)
}
layer B on Image[C, H, W] ensures invertible {
  param U : conv 2x4 (anchor = (1, 0)) with det != 0
  param V : conv 1x4 (anchor = (0, last), dilation = 2) with det == 1
  param W : conv 4x4 (anchor = (1, 2)) with det != 0 via dominant
  param M : conv 2x2 (anchor = (0, 1)) with lip <= 1
  map x -> exp(M)(W(U(V(x))))
}
