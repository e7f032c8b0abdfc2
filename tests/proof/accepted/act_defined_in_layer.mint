# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A(a: Real = 0.25) on Vec[D] ensures lower, diag > 0, invertible {
  act h(u) = u + a * sin(u)
  param V : linear lower with diag > 0
  map x -> h(V(x))
}
flow F on Vec[4] ensures invertible { A  A(a = 0.5) }
