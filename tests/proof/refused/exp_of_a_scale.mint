# error: [E0213] exp(s)
# exp(s) * x
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with lip <= 1
  map x -> exp(s)(x)
}
