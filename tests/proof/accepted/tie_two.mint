# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param t    : scale with diag > 0
  param U, V : linear lower
  tie diag(U) * diag(V) >= 0
  map x -> t * x + U(elu(V(x)))
}
