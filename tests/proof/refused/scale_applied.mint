# error: [E0213] s(x)
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0
  map x -> s(x)
}
