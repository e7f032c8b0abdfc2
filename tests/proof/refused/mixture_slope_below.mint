# error: [E0601] diag >= 0.01
# between two logistics that lie far apart the slope comes near 0
mint 1
layer A on Vec[D] ensures diag >= 0.01 {
  param l, m, s : bias on Vec[2 * D]
  map x -> mix_logistic(x, logits = l, means = m, log_scales = s)
}
