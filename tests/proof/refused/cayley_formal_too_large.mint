# error: [E0416] cayley(M)(x)
mint 1
layer A(c: Real) on Vec[D] ensures invertible {
  param M : linear with lip <= c
  map x -> cayley(M)(x)
}
flow F on Vec[3] ensures invertible { A(c = 0.5)  A(c = 1.25) }
