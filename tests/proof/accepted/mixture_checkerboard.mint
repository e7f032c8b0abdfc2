# proves: A: invertible
# class: A: lower, diag in (0, inf)
# parts of a mask keep the whole layout, and so do the parameters of their mixtures
mint 1
layer A on Image[C, H, W] ensures invertible {
  param V : conv 3x3 from Image[C, H, W] to Image[2 * C, H, W]
  map x {
    let (a, b) = split(x, checkerboard)
    let u = spread(a)
    return join(a, mix_logistic(b, logits = V(u), means = V(-u), log_scales = tanh(V(u))))
  }
}
