# error: [E0701] lip <= 0.5, diag > 0
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with lip <= 0.5, diag > 0
  map x -> x + s * x
}
