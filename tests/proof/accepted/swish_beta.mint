# proves: Twice: invertible, lip < 1.99
# proves: Pixels: invertible
# proves: Coupled: invertible
# proves: Tokens: invertible
# proves: F: invertible, log_det exact
# class: Twice: dense, bijection by composition
# class: Pixels: dense, bijection by composition
# class: Coupled: lower, diag in [1, 1]
# class: Tokens: dense, bijection by composition
# class: F: bijection of R^D
# the slope of u sigmoid(b u) at u is that of silu at b u: the bounds are the same for every b
mint 1

net Vectors from Vec[D] to Vec[D] {
  param V, U : linear with lip <= 0.99
  param W    : linear                from Vec[2 * D] to Vec[D] with lip <= 1
  param b    : scale                 on Vec[1] with diag > 0
  param c    : scale (per = channel) on Vec[1] with diag >= 0.1, diag <= 10
  map x -> U(swish(W(clip_swish(V(x), beta = b)), beta = c) / 1.1)
}

net Images from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x3        with lip <= 0.9 via rows
  param b : scale on Vec[1] with diag > 0 via exp
  param c : scale on Vec[1] with diag >= 2 via abs init normal(1)
  map x {
    let u = swish(V(x), beta = b)
    return swish(u / 1.1, beta = c) / 1.1
  }
}

net Shift(tri: Dir) from Vec[3] to Vec[3] {
  param V : linear strict tri
  param W : linear tri
  param b : scale on Vec[1] with diag > 0
  map x -> W(swish(V(x), beta = b) * swish(V(x), beta = b))
}

net Rows from Seq[T, E] to Seq[T, E] {
  param W : linear from Seq[T, 2 * E] to Seq[T, E] with lip <= 0.7
  param b : scale  on Vec[1]                       with diag > 0
  map x -> W(clip_swish(x, beta = b)) + 0.25 * swish(x, beta = b)
}

layer Twice on Vec[D] ensures invertible, lip < 1.99 {
  param n : net Vectors
  map x -> x + n(x)
}

layer Pixels on Image[C, H, W] ensures invertible {
  param n : net Images
  map x -> cayley(n)(x)
}

layer Coupled on Vec[3] ensures invertible {
  param n : net Shift(tri = lower)
  map x -> x + n(x)
}

layer Tokens on Seq[T, E] ensures invertible {
  param n : net Rows
  map x -> x - n(x)
}

flow F on Image[1, 3, 1] ensures invertible, log_det exact {
  Pixels log_det exact
  flatten
  Twice log_det exact
  Coupled
  prior normal
}
