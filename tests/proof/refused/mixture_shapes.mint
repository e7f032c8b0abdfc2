# error: [E0301] m
# all three have the same number for each element
mint 1
layer A on Vec[D] ensures invertible {
  param l, s : bias on Vec[2 * D]
  param m : bias on Vec[3 * D]
  map x -> mix_logistic(x, logits = l, means = m, log_scales = s)
}
