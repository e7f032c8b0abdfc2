# error: [E0416] x + n(x)
# in the 1-norm what is stacked is as steep as both together: 0.6 + 0.8, not the root of the sum of squares, which is 1
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear with lip <= 1 via columns
  param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.9 via columns
  map x -> W(concat(0.6 * x, 0.8 * V(x)))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
