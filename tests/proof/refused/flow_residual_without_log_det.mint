# error: [E0608] A
# a density has to say how it computes the log-det
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(x)
}
flow F on Vec[4] ensures invertible { A  prior normal }
