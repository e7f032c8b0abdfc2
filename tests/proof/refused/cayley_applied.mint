# error: [E0901] A(x)
mint 1
layer B on Vec[D] ensures invertible { map x -> A(x) + 1 }
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(x)
}
