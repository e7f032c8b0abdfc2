# error: [E0305] series(bits_per_dim <= 1e-6)
# more than 10,000 terms
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.99999
  map x -> x + V(tanh(x))
}
flow F on Vec[4] ensures invertible { A log_det series(bits_per_dim <= 1e-6)  prior normal }
