# error: [E0608] A
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(x)
}
flow F on Vec[4] ensures invertible { A  prior normal }
