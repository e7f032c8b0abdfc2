# proves: A: invertible
# proves: B: invertible, inverse iterative
# proves: F: invertible, log_det estimate
# class: A: dense, bijection by composition
# class: B: dense, bijection by composition
# class: F: bijection of R^D
# by rows in the maximum norm, where concat has the larger bound: 0.9 max(1, 1); by columns in the 1-norm: 0.45 (1 + 1)
mint 1
net Rows(width: Nat) from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x3 from Image[C, H, W] to Image[width, H, W] with lip <= 1 via rows
  param W : conv 3x3 from Image[C + 2 * width, H, W] to Image[C, H, W] with lip <= 0.9 via rows
  map x -> W(concat(x, clip_swish(V(x))))
}
net Columns from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x3 (boundary = circular) with lip <= 1 via columns
  param W : conv 1x1 from Image[2 * C, H, W] to Image[C, H, W] with lip <= 0.45 via columns
  map x -> W(concat(x, tanh(V(x))))
}
layer A on Image[C, H, W] ensures invertible {
  param n : net Rows(width = 4)
  map x -> x + n(x)
}
layer B on Image[C, H, W] ensures invertible, inverse iterative {
  param n : net Columns
  map x -> cayley(n)(x)
}
flow F on Image[2, 3, 4] ensures invertible, log_det estimate {
  A log_det series(bits_per_dim <= 1e-3)
  B log_det roulette(first = 2)
}
