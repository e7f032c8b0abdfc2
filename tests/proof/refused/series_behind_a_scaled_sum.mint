# error: [E0901] 2 * (x + V(tanh(x)))
# error: [E0613] series(terms = 30)
# 2 (x + g) is a bijection, but the powers of its Jacobian minus I do not fall
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> 2 * (x + V(tanh(x)))
}
flow F on Vec[4] ensures invertible { A log_det series(terms = 30) }
