# error: [E0901] h(P(x))
mint 1
act h(u) = u + tanh(u)
layer A on Vec[D] ensures invertible {
  param P : perm
  map x -> h(P(x))
}
