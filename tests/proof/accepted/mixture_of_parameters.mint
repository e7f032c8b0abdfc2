# proves: A: diagonal, diag > 0, invertible, inverse elementwise
# proves: B: upper, diag != 0, invertible
# class: A: diagonal, diag in (0, inf)
# class: B: upper, diag in (-inf, 0)
# one component is affine, but its scale has no bound; a spline, whose inverse is a formula, after a mixture
mint 1
layer A on Vec[D] ensures diagonal, diag > 0, invertible, inverse elementwise {
  param l, m, s : bias on Vec[D]
  map x -> mix_logistic(x, logits = l, means = m, log_scales = s)
}
layer B on Seq[T, D] ensures upper, diag != 0, invertible {
  param l, s : bias on Seq[T, 3 * D]
  param m : bias (per = element) on Seq[T, 3 * D / 2]
  param d : bias on Seq[T, D / 2]
  map x {
    let (a, b) = split(x, strided)
    let u = mix_logistic(a - b, logits = concat(b, m), means = concat(m, b), log_scales = concat(b, -m))
    return join(-rq_spline(u, widths = concat(d, b), heights = concat(b, d), slopes = d), -b)
  }
}
