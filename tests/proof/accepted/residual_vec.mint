# proves: A: invertible, lip < 2
# class: A: dense, bijection by composition
# lip(g) <= 0.9 * 0.9, since the slope of tanh is at most 1; kept whatever the weights are
mint 1
layer A on Vec[D] ensures invertible, lip < 2 {
  param V : linear from Vec[D] to Vec[8] with lip <= 0.9
  param W : linear from Vec[8] to Vec[D] with lip <= 0.9
  param b : bias on Vec[8]
  map x -> x + W(tanh(V(x) + b))
}
