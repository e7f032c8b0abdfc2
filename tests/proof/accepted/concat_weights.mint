# proves: Flat: invertible, lip < 1.99
# proves: Pixels: invertible
# proves: Tokens: invertible
# proves: Scaled: diagonal, lip <= 1
# proves: F: invertible, log_det exact
# class: Flat: dense, bijection by composition
# class: Pixels: dense, bijection by composition
# class: Tokens: dense, bijection by composition
# class: Scaled: diagonal, diag in [0, 1]
# class: F: bijection of R^D
# squares of weights add up to 1, so what is stacked is no steeper than the steepest part, however long training goes on
mint 1
net Grow(more: Nat) from Vec[D] to Vec[D + 2 * more] {
  param V : linear from Vec[D] to Vec[more] with lip <= 1
  param w : scale on Vec[2] with length == 1
  map x -> concat(x, clip_swish(V(x)), weights = w)
}
net Flats from Vec[D] to Vec[D] {
  param g : net Grow(more = 1) from Vec[D] to Vec[D + 2]
  param h : net Grow(more = 2) from Vec[D + 2] to Vec[D + 6]
  param W : linear from Vec[D + 6] to Vec[D] with lip <= 0.98
  map x -> W(h(g(x)))
}
net Images from Image[C, H, W] to Image[C, H, W] {
  param b : bias on Vec[2]
  param V : conv 3x3 with lip <= 0.5
  param W : conv 1x1 from Image[2 * C + 2, H, W] to Image[C, H, W] with lip <= 1
  param w : scale on Vec[3] with length == 1 via softplus init normal(1)
  map x -> W(concat(0.9 * tanh(x), b, x - V(x) / 2 - x, weights = w))
}
net Rows from Seq[T, E] to Seq[T, E] {
  param w : scale (per = channel) on Vec[2] with length == 1
  param W : linear from Seq[T, 2 * E] to Seq[T, E] with lip <= 1
  map x -> 0.99 * W(concat(x, elu(x), weights = w))
}
layer Flat on Vec[D] ensures invertible, lip < 1.99 {
  param n : net Flats
  map x -> x + n(x)
}
layer Pixels on Image[C, H, W] ensures invertible {
  param n : net Images
  map x -> 2.3 * x - n(x)
}
layer Tokens on Seq[T, E] ensures invertible {
  param n : net Rows
  map x -> x + n(x)
}
layer Scaled on Vec[D] ensures diagonal, lip <= 1 {
  param w : scale with length == 1
  map x -> w * x
}
flow F on Image[2, 2, 2] ensures invertible, log_det exact {
  Pixels log_det exact
  flatten
  Flat log_det exact
  prior normal
}
