# proves: A: diagonal, invertible
# class: A: diagonal, diag in [1, 1]
mint 1
layer A on Vec[D] ensures diagonal, invertible {
  param b : bias on Vec[2 * D]
  param V : linear from Vec[2 * D] to Vec[D]
  map x -> x + tanh(V(b))
}
