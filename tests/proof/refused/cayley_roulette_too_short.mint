# error: [E0612] roulette(first = 2, keep = 0.06)
# 0.5^4 = 0.0625
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(x)
}
flow F on Vec[4] ensures invertible { A log_det roulette(first = 2, keep = 0.06)  prior normal }
