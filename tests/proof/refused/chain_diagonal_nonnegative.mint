# error: [E0414] U(P(x))
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm
  param U : linear upper with diag >= 0
  map x -> U(P(x))
}
