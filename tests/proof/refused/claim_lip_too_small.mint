# error: [E0601] lip < 3
mint 1
layer Two on Vec[D] ensures lip < 3, invertible {
  param s : scale with diag >= 1, diag <= 2
  map x -> s * x + tanh(x)
}
