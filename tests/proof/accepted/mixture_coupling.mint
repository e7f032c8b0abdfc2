# proves: A: lower, diag > 0, invertible, inverse elementwise
# class: A: lower, diag in (0, inf)
# the distribution function of a mixture, through the inverse of that of one logistic, then a positive factor
mint 1
net Mixture(n: Nat)
  from Image[C, H, W]
  to (Image[n * C, H, W], Image[n * C, H, W], Image[n * C, H, W])
{
  param L, M, S : conv 3x3 from Image[C, H, W] to Image[n * C, H, W]
  map a -> (L(a), M(a), S(a))
}
layer A(n: Nat) on Image[C, H, W] ensures lower, diag > 0, invertible, inverse elementwise {
  space Half = Image[C / 2, H, W]
  param k : net Mixture(n = n)
    from Half to (Image[n * C / 2, H, W], Image[n * C / 2, H, W], Image[n * C / 2, H, W])
  map x {
    let (a, b) = split(x, channel)
    let (l, m, s) = k(a)
    return join(a, mix_logistic(b, logits = l, means = m, log_scales = s) * exp(tanh(a)))
  }
}
