# error: [E0201] square
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0 via square
  map x -> s * x
}
