# proves: A: diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
mint 1
layer A on Vec[D] ensures diag > 0, invertible {
  param b : bias
  param V : linear
  map x -> x * exp(V(b))
}
