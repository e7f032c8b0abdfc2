# error: [E0701] rank
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with rank > 0
  map x -> s * x
}
