# error: [E0415] tanh(b)
# means that move with the element may fold: x - 2 tanh(x), say
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear from Vec[D / 2] to Vec[D / 2]
  map x {
    let (a, b) = split(x, halves)
    return join(a, mix_logistic(b, logits = V(a), means = tanh(b), log_scales = V(a)))
  }
}
