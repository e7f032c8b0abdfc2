# error: [E0416] x + W(tanh(V(x)))
# nothing bounds W
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.9
  param W : linear
  map x -> x + W(tanh(V(x)))
}
