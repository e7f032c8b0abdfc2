# error: [E0601] lip <= 1
mint 1
layer Free on Vec[D] ensures lip <= 1 {
  param W : linear lower with diag > 0
  map x -> W(x)
}
