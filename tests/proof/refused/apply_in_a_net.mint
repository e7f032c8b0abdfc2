# error: [E0901] Own(x)
mint 1
net N from Vec[D] to Vec[D] {
  map x -> Own(x)
}
layer Own on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x
}
