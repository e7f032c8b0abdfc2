# error: [E0601] log_det unbiased
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(tanh(x))
}
flow F on Vec[4] ensures log_det unbiased { A log_det series(terms = 50)  prior normal }
