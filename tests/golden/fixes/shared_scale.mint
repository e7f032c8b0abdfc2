mint 1
layer A on Vec[D] ensures invertible {
  param s, r : scale
  map x -> exp(s) * x + 0 * r
}
