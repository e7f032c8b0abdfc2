# error: [E0211] scale lower
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale lower
  map x -> s * x
}
