# error: [E0304] x
mint 1
layer A on S ensures invertible {
  param w : bias
  map x -> mix_logistic(x, logits = w, means = w, log_scales = w)
}
