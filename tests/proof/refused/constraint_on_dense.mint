# error: [E0701] diag > 0
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear with diag > 0
  map x -> W(x)
}
