# error: [E0601] inverse closed_form
# the inverse of a mixture of two is no formula
mint 1
layer A on Vec[D] ensures inverse closed_form {
  param l, m, s : bias on Vec[D]
  map x {
    let (a, b) = split(x, halves)
    return join(a, mix_logistic(b, logits = l, means = m, log_scales = s))
  }
}
