# proves: A: invertible
# proves: F: invertible, log_det bounded
# class: A: dense, bijection by composition
# class: F: bijection of R^D
# exact traces leave what truncation misses, and nothing is random
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(tanh(x))
}
flow F on Vec[4] ensures invertible, log_det bounded {
  A log_det series(terms = 20, probes = 0)
  repeat 3 { A log_det series(bits_per_dim <= 1e-6, probes = 0) }
  A log_det exact
  prior normal
}
