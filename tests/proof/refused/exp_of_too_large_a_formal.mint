# error: [E0417] exp(M)(x)
mint 1
layer A(c: Real) on Vec[D] ensures invertible {
  param M : linear with lip <= c
  map x -> exp(M)(x)
}
flow F on Vec[4] ensures invertible { A(c = 1)  A(c = 5) }
