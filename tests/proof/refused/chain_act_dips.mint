# error: [E0414] sin(P(x))
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm
  map x -> sin(P(x))
}
