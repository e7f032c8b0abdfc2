# error: [E0304] V(x)
# the bounds are those of a constant
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear from Vec[D] to Vec[1] with lip <= 1
  map x -> 0.5 * swish(x, beta = V(x))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
