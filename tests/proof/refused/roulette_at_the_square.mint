# error: [E0612] roulette(first = 2, keep = 0.25)
# at keep = L^2 the value has a finite variance, the gradient has none
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(tanh(x))
}
flow F on Vec[4] ensures invertible { A log_det roulette(first = 2, keep = 0.25)  prior normal }
