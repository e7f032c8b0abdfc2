# error: [E0601] log_det bounded
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(tanh(x))
}
flow F on Vec[4] ensures log_det bounded { A log_det roulette(first = 9, probes = 0)  prior normal }
