# error: [E0601] log_det exact
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(tanh(x))
}
flow F on Vec[4] ensures log_det exact { A log_det series(terms = 50, probes = 0)  prior normal }
