# error: [E0416] x + W(tanh(V(x)))
# 1.1 times 1 is no contraction
mint 1
layer A on Image[C, H, W] ensures invertible {
  param V : conv 3x3 (boundary = circular) with lip <= 1.1
  param W : conv 3x3 (boundary = circular) with lip <= 1
  map x -> x + W(tanh(V(x)))
}
