# error: [E0414] S(P(x))
# the diagonal of a strict map is 0: the first pixel of the order reads nothing, so its row of the Jacobian is 0
mint 1
layer A on Image[C, H, W] ensures invertible {
  param S : conv 3x3 strict lower
  param P : perm
  map x -> S(P(x))
}
