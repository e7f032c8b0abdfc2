mint 1
layer A on Vec[D] ensures invertible {
  param s, r : scale
  map x -> s * x + 0 * r
}
