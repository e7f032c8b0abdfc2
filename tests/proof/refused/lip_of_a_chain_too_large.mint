# error: [E0416] x + n(x)
# 1.1^3 * 0.8; nothing bounds how often a formal repeats it
mint 1
net Link from Vec[D] to Vec[D] {
  param V : linear with lip <= 1.1
  map x -> tanh(V(x))
}
net N from Vec[D] to Vec[D] {
  index l : 3
  param B[l] : net Link
  param W : linear with lip <= 0.8
  map x -> W(chain[l](B[l])(x))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
