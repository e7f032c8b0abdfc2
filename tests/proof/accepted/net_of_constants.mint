# proves: A: diagonal, diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures diagonal, diag > 0, invertible {
  param b : bias
  param n : net G
  map x -> x * exp(n(b)) + n(n(b))
}
