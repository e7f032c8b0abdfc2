# error: [E0701] diag > 0
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear strict lower with diag > 0
  map x -> x + W(x)
}
