# error: [E0402] n(x)
mint 1
extern net N from Vec[D] to Vec[D]
layer A on Vec[D] ensures lower, invertible {
  param n : net N
  map x -> 3 * x + n(x)
}
