# error: [E0210] maxmin(x, x)
mint 1
net N from Vec[4] to Vec[4] { map x -> 0.5 * maxmin(x, x) }
layer A on Vec[4] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
