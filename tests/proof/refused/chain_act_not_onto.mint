# error: [E0414] elu(P(x))
# values of elu are above -1
mint 1
layer A on Vec[D] ensures invertible {
  param P, Q : perm
  map x -> Q(elu(P(x)))
}
