# U acts on a parameter: what it reads is no dependency on x
# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param W : linear lower with diag > 0
  param U : linear upper
  param b : bias (per = element)
  map x -> W(x) + U(b)
}
