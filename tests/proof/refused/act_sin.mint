# error: [E0406] sin(W(x))
mint 1
layer A on Vec[D] ensures lower, diag > 0 {
  param t : scale with diag >= 1e-3
  param W : linear lower with diag >= 0
  map x -> t * x + sin(W(x))
}
