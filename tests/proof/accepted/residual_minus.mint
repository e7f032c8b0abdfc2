# proves: A: invertible, inverse iterative, log_det exact
# class: A: dense, bijection by composition
# a difference and shifts on every side; silu has slopes up to 1.1, so 0.9 leaves 0.99
mint 1
layer A on Image[C, H, W] ensures invertible, inverse iterative, log_det exact {
  param V : conv 3x3 with lip <= 0.9 via spectral
  param b : bias
  map x {
    let u = silu(x)
    return (b + x) - V(u) + b - 1
  }
}
