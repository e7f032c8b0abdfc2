# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in [1, inf)
mint 1
act down(u) = -elu(u)
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param U, V : linear lower
  tie diag(U) * diag(V) <= 0
  map x -> x + U(down(V(x)))
}
