# error: [E0305] series(terms = 0)
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(tanh(x))
}
flow F on Vec[4] ensures invertible { A log_det series(terms = 0)  prior normal }
