# error: [E0416] x + n(x)
# the weight of the steeper part may come as near to 1 as it likes
mint 1
net N from Vec[D] to Vec[D] {
  param w : scale on Vec[2] with length == 1
  param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.5
  map x -> W(concat(2 * x, 0.1 * x, weights = w))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
