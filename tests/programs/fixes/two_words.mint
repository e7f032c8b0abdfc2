mint 1
layer A on Vec[D] {
  param s : scale with diag > 0
  parm W : linear lower
  map x -> s * x
}
