# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (1, inf)
mint 1
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  param k, l : conv 3x3 lower with diag > 0
  map x {
    let u = leaky_relu(k(x), 0.1)
    return l(u) + x
  }
}
