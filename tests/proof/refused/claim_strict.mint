# error: [E0601] strict lower
mint 1
layer A on Vec[D] ensures strict lower {
  param W : linear lower with diag > 0
  map x -> W(x)
}
