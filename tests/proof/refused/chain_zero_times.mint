# error: [E0414] 0 * P(x)
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm
  map x -> 0 * P(x)
}
