# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in [1, inf)
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param U, V : linear lower
  tie diag(U) * diag(V) <= 0
  map x -> x - U(elu(V(x)))
}
