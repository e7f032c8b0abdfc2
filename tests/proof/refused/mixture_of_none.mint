# error: [E0305] mix_logistic(x, logits = l, means = l, log_scales = l)
mint 1
layer A(n: Nat) on Vec[D] ensures invertible {
  param l : bias on Vec[n * D - D]
  map x -> mix_logistic(x, logits = l, means = l, log_scales = l)
}
flow F on Vec[3] ensures invertible { A(n = 1) }
