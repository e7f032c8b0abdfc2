# proves: A: diagonal, diag >= 1, invertible
# class: A: diagonal, diag in [1, 1]
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
net C(depth: Nat) from Vec[D] to Vec[D] {
  index l : depth
  param B[l] : net G
  map x -> chain[l](B[l])(x)
}
layer A(K: Nat) on Vec[D] ensures diagonal, diag >= 1, invertible {
  index k : K
  param b : bias on Vec[D - 1]
  param c : bias on Vec[1]
  param B[k] : net C(depth = K)
  map x -> x + chain[k](B[k])(concat(b, c))
}
