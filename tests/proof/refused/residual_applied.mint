# error: [E0901] Res(2 * x)
# there is no place for its `log_det` inside of a formula
mint 1
layer Res on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(x)
}
layer A on Vec[D] ensures invertible { map x -> Res(2 * x) }
