# error: [E0213] 4
mint 1
layer A on Vec[D] ensures invertible {
  map x -> x * Own(4)
}
layer Own on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x
}
