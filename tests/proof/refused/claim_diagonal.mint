# error: [E0601] diagonal
mint 1
layer A on Vec[D] ensures diagonal {
  param W : linear lower with diag > 0
  map x -> W(x)
}
