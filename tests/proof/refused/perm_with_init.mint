# error: [E0211] identity
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm init identity
  map x -> P(x)
}
