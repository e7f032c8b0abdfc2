# error: [E0414] P(x) * P(x)
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm
  map x -> P(x) * P(x)
}
