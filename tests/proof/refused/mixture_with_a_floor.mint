# error: [E0209] floor
# options are those of splines
mint 1
layer A on Vec[D] ensures invertible {
  param l, m, s : bias on Vec[2 * D]
  map x -> mix_logistic(x, logits = l, means = m, log_scales = s, floor = 0.1)
}
