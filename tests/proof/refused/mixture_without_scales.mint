# error: [E0210] mix_logistic(x, logits = l, means = m)
mint 1
layer A on Vec[D] ensures invertible {
  param l, m : bias on Vec[2 * D]
  map x -> mix_logistic(x, logits = l, means = m)
}
