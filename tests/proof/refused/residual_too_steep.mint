# error: [E0416] x + W(tanh(V(x)))
# 0.9 * 1.2 is not < 1
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear from Vec[D] to Vec[8] with lip <= 0.9
  param W : linear from Vec[8] to Vec[D] with lip <= 1.2
  map x -> x + W(tanh(V(x)))
}
