# error: [E0601] upper
mint 1
layer A on Vec[D] ensures upper, diag > 0 {
  param W : linear lower with diag > 0
  map x -> W(x)
}
