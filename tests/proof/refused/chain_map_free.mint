# error: [E0414] W(P(x))
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm
  param W : linear
  map x -> W(P(x))
}
