# error: [E0402] n(x)
mint 1
extern net N from Vec[D] to Vec[D]
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + 0.0000001 * tanh(n(x))
}
