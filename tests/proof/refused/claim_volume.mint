# error: [E0601] volume_preserving
mint 1
layer A on Vec[D] ensures volume_preserving {
  param s : scale with diag > 0
  map x -> s * x
}
