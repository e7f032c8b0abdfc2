# error: [E0601] diag >= 2
mint 1
layer A on Vec[D] ensures diag >= 2 {
  param s : scale with diag >= 1
  map x -> s * x
}
