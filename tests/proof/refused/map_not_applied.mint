# error: [E0213] W
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear lower with diag > 0
  map x -> W
}
