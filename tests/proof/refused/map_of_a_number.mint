# error: [E0213] 1
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear lower with diag > 0
  map x -> W(1) + x
}
