# proves: A: lower, invertible
# class: A: lower, diag in (0, inf)
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A on Vec[D] ensures lower, invertible {
  param W : linear lower with diag > 0
  map x -> W(x)
}
# between two reversals a lower map acts as an upper one; each step is a bijection by itself, so the flow is
flow F on Vec[6] ensures invertible { A  reverse  A  reverse  prior normal }
