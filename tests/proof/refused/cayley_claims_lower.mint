# error: [E0409] cayley(M)(x)
mint 1
layer A on Vec[D] ensures lower {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(x)
}
