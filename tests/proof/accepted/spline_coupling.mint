# proves: A: lower, diag > 0, invertible, inverse closed_form
# class: A: lower, diag in [5e-10, 4000]
mint 1
net Bins(bins: Nat)
  from Image[C, H, W]
  to (Image[bins * C, H, W], Image[bins * C, H, W], Image[bins * C - C, H, W])
{
  param W, K : conv 3x3 from Image[C, H, W] to Image[bins * C, H, W]
  param S : conv 3x3 from Image[C, H, W] to Image[bins * C - C, H, W]
  map a -> (W(a), K(a), S(a))
}
layer A(bins: Nat) on Image[C, H, W] ensures lower, diag > 0, invertible, inverse closed_form {
  space Half = Image[C / 2, H, W]
  param n : net Bins(bins = bins)
    from Half to (Image[bins * C / 2, H, W], Image[bins * C / 2, H, W], Image[(bins - 1) * C / 2, H, W])
  map x {
    let (a, b) = split(x, channel)
    let (w, k, d) = n(a)
    return join(a, rq_spline(b, widths = w, heights = k, slopes = d))
  }
}
