# error: [E0409] P(x)
mint 1
layer A on Vec[D] ensures lower, invertible {
  param P : perm
  map x -> P(x)
}
