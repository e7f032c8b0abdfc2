# error: [E0414] U(P(x))
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm
  param U : linear strict upper
  map x -> U(P(x))
}
