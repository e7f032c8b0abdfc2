# proves: Twice: invertible, lip < 1.9
# proves: Pixels: invertible
# proves: Coupled: invertible
# proves: Moved: invertible
# proves: F: invertible, log_det exact
# class: Twice: dense, bijection by composition
# class: Pixels: dense, bijection by composition
# class: Coupled: lower, diag in [1, 1]
# class: Moved: dense, bijection by composition
# class: F: bijection of R^D
# the slopes of silu at u and -u add up to 1, so the two channels together are no steeper than their largest pair
mint 1
net Vectors from Vec[D] to Vec[D] {
  param V : linear from Vec[D] to Vec[D] with lip <= 0.9
  param W : linear from Vec[2 * D] to Vec[D] with lip <= 1
  map x -> W(clip_swish(V(x)))
}
net Images from Image[C, H, W] to Image[C, H, W] {
  space Mid = Image[3, H, W]
  param V : conv 3x3 from Image[C, H, W] to Mid with lip <= 0.9
  param W : conv 1x1 from Image[12, H, W] to Image[C, H, W] with lip <= 1
  map x {
    let u = clip_swish(V(x))
    return W(clip_swish(0.5 * tanh(u) - 0.5 * u))
  }
}
net Shift from Vec[2] to Vec[2] {
  param V : linear from Vec[4] to Vec[2]
  map x -> V(clip_swish(x) * clip_swish(2 * x))
}
net Tokens from Seq[T, E] to Seq[T, E] {
  param W : linear from Seq[T, 2 * E] to Seq[T, E] with lip <= 0.7
  map x -> W(clip_swish(x))
}
layer Twice on Vec[D] ensures invertible, lip < 1.9 {
  param n : net Vectors
  map x -> x + 0.99 * n(x)
}
layer Pixels on Image[C, H, W] ensures invertible {
  param n : net Images
  map x -> cayley(n)(x)
}
layer Coupled on Vec[4] ensures invertible {
  space Half = Vec[2]
  param n : net Shift from Half to Half
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + n(a))
  }
}
layer Moved on Seq[T, E] ensures invertible {
  param n : net Tokens
  map x -> x + n(x)
}
flow F on Image[1, 2, 2] ensures invertible, log_det exact {
  Pixels log_det exact
  flatten
  Twice log_det exact
  Coupled
  prior normal
}
