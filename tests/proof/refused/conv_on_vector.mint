# error: [E0304] conv 3x3 lower
mint 1
layer A on Vec[D] ensures invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x)
}
