# error: [E0301] l
mint 1
layer A on Vec[D] ensures invertible {
  param l : bias on Vec[D + 1]
  map x -> mix_logistic(x, logits = l, means = l, log_scales = l)
}
