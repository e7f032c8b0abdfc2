# proves: A: lower, diag != 0, invertible
# class: A: lower, diag in sign(s) * (0, inf)
mint 1
layer A on Vec[D] ensures lower, diag != 0, invertible {
  param s : scale with diag != 0
  param V : linear lower
  tie diag(V) * diag(s) >= 0
  map x -> s * x + V(tanh(x))
}
