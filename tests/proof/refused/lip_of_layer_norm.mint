# error: [E0416] x + n(x)
# near a constant image layer_norm divides by almost nothing
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear with lip <= 0.1
  param n : layer_norm
  map x -> V(n(x))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
