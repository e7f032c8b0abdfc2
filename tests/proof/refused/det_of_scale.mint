# error: [E0701] det != 0
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with det != 0
  map x -> s * x
}
