# proves: A: lower, diag >= 1, invertible
# class: A: lower, diag in [1, inf)
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures lower, diag >= 1, invertible {
  param b : bias
  param n : net G
  param W : linear lower with diag >= 0
  map x -> x + W(elu(x)) * sigmoid(n(b))
}
