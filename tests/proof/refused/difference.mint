# error: [E0403] W(x)
mint 1
layer A on Vec[D] ensures lower, diag > 0 {
  param t : scale with diag > 0
  param W : linear lower with diag >= 0
  map x -> t * x - W(x)
}
