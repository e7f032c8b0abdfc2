# error: [E0411] P(x)
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm
  map x -> 1 / P(x)
}
