# error: [E0416] x + n(x)
# lip(maxmin) is 1, not less
mint 1
net N from Vec[4] to Vec[4] { map x -> maxmin(x) }
layer A on Vec[4] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
