# proves: Kernels: invertible, log_det exact, inverse closed_form
# proves: Matrix: invertible, lip < 55
# proves: Lets: invertible
# proves: F: invertible, log_det exact, inverse closed_form
# class: Kernels: dense, bijection by composition
# class: Matrix: dense, bijection by composition
# class: Lets: dense, bijection by composition
# class: F: bijection of R^D
# the exponential of a map is a bijection whatever the map is; of what is constant it is constant
mint 1
layer Kernels(c: Real = 2) on Image[C, H, W] ensures invertible, log_det exact, inverse closed_form {
  param M : conv 3x3 with lip <= c
  param N : conv 2x3 (anchor = top_left, dilation = 2) with lip <= 0.5
  param s : scale with diag != 0
  param b : bias
  map x -> exp(N)(s * exp(M)(x) + b)
}
layer Matrix on Vec[D] ensures invertible, lip < 55 {
  param M : linear with lip <= 4
  map x -> exp(M)(x)
}
layer Lets on Vec[D] ensures invertible {
  param M : linear with lip <= 1
  param W : linear with det == 1
  map x {
    let y = exp(M)(W(x))
    return leaky_relu(exp(M)(y), 0.5)
  }
}
flow F on Image[2, 2, 3] ensures invertible, log_det exact, inverse closed_form {
  Kernels
  Kernels(c = 0.5)
  flatten
  Matrix
  Lets
}
