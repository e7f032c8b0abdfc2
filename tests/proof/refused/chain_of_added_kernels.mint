# error: [E0402] L(x) + U(x)
# each is a bijection, their sum need not be: 1 and -1 at the anchor leave the other taps
mint 1
layer A on Image[C, H, W] ensures invertible {
  param L : conv 3x3 lower with diag != 0
  param U : conv 3x3 upper with diag != 0
  param P : perm
  map x -> P(L(x) + U(x))
}
