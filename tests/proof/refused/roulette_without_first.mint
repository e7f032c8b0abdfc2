# error: [E0210] roulette(keep = 0.5)
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(tanh(x))
}
flow F on Vec[4] ensures invertible { A log_det roulette(keep = 0.5)  prior normal }
