# error: [E0306] linear 3x3 lower
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear 3x3 lower with diag > 0
  map x -> W(x)
}
