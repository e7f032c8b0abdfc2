# error: [E0416] x + n(x)
# bounds of differences add
mint 1
net N from Vec[4] to Vec[4] { map x -> 0.5 * (maxmin(x) - maxmin(-x)) }
layer A on Vec[4] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
