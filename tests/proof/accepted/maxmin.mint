# proves: Sorted: invertible, lip < 1.9
# proves: Twice: invertible
# proves: Pixels: invertible
# proves: Coupled: invertible
# proves: F: invertible, log_det exact
# class: Sorted: dense, bijection by composition
# class: Twice: dense, bijection by composition
# class: Pixels: dense, bijection by composition
# class: Coupled: lower, diag in [1, 1]
# class: F: bijection of R^D
# sorting pairs makes no difference larger; that of a difference is 1 - (-1) times as steep
mint 1
net Vectors(width: Nat) from Vec[D] to Vec[D] {
  space Hid = Vec[2 * width]
  param V : linear from Vec[D] to Hid with lip <= 0.9
  param W : linear from Hid to Vec[D] with lip <= 1
  map x -> W(maxmin(V(x)))
}
net Difference from Vec[4] to Vec[4] {
  map x -> 0.45 * (maxmin(x) - maxmin(-x))
}
net Images from Image[C, H, W] to Image[C, H, W] {
  space Mid = Image[6, H, W]
  param V : conv 3x3 from Image[C, H, W] to Mid with lip <= 0.9
  param W : conv 1x1 from Mid to Image[C, H, W] with lip <= 1
  map x {
    let u = maxmin(V(x))
    return W(maxmin(0.5 * tanh(u) + 0.5 * u))
  }
}
net Shift from Vec[2] to Vec[2] { map x -> maxmin(x) * maxmin(x) }
layer Sorted(width: Nat = 3) on Vec[D] ensures invertible, lip < 1.9 {
  param n : net Vectors(width = width)
  map x -> x + 0.99 * n(x)
}
layer Twice on Vec[4] ensures invertible {
  param n : net Difference
  map x -> cayley(n)(x)
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
flow F on Image[1, 2, 2] ensures invertible, log_det exact {
  Pixels log_det exact
  flatten
  Sorted log_det exact
  Coupled
  prior normal
}
