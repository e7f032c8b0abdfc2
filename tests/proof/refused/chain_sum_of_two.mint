# error: [E0414] P(x) + Q(x)
# a transposition and the identity: (x1 + x2, x1 + x2)
mint 1
layer A on Vec[D] ensures invertible {
  param P, Q : perm
  map x -> P(x) + Q(x)
}
