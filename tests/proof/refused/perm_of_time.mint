# error: [E0304] perm (axis = time)
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm (axis = time)
  map x -> P(x)
}
