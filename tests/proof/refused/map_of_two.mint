# error: [E0210] W(x, x)
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear lower with diag > 0
  map x -> W(x, x)
}
