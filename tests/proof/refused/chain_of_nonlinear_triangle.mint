# error: [E0901] x + L(x)
# a bijection, but its inner part is solved for, not inverted in closed form
mint 1
layer A on Vec[D] ensures invertible {
  param L : linear lower with diag >= 0
  param P : perm
  map x -> P(x + L(x))
}
