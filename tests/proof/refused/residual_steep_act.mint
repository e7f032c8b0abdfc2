# error: [E0416] x + V(silu(x))
# silu has slopes up to 1.0999
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.95
  map x -> x + V(silu(x))
}
