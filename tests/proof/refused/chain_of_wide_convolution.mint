# error: [E0901] L(P(x))
# a bijection, but the inverse of a link of 3x3 is not generated
mint 1
layer A on Image[C, H, W] ensures invertible {
  param L : conv 3x3 lower with diag > 0
  param P : perm
  map x -> L(P(x))
}
