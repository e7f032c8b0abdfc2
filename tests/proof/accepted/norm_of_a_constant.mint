# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param b : bias
  param V : linear (norm = weight)
  param W : linear lower with diag > 0
  map x -> W(x) * exp(tanh(V(b)))
}
