# error: [E0213] cayley(s)
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with lip <= 0.5
  map x -> cayley(s)(x)
}
