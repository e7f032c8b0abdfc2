# error: [E0701] diag >= 2, diag <= 1
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag >= 2, diag <= 1
  map x -> s * x
}
