# proves: A: upper, diag > 0, invertible
# proves: B: lower, diag != 0, invertible
# class: A: upper, diag in (0, inf)
# class: B: lower, diag in (-inf, 0)
# mixtures whose numbers read later elements, and one of a single logistic, whose numbers are those of the elements
mint 1
net Three from Vec[D] to (Own, Own, Own) {
  space Own = Vec[3 * D] (degrees = own)
  param L, M, S : linear strict upper from Vec[D] to Own
  map x -> (L(x), M(x), S(tanh(x)))
}
layer A on Vec[D] ensures upper, diag > 0, invertible {
  param n : net Three from Vec[D] to (Vec[3 * D], Vec[3 * D], Vec[3 * D])
  map x {
    let (l, m, s) = n(x)
    return mix_logistic(x, logits = l, means = m, log_scales = s)
  }
}
layer B on Vec[D] ensures lower, diag != 0, invertible {
  param s : bias on Vec[D]
  param V : linear strict lower
  map x -> -mix_logistic(x, logits = s, means = V(x), log_scales = tanh(V(x)))
}
