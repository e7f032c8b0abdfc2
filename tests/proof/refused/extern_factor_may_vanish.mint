# error: [E0401] n(b)
mint 1
extern net N from Vec[D] to Vec[D]
layer A on Vec[D] ensures diag != 0, invertible {
  param b : bias
  param n : net N
  map x -> x * n(b)
}
