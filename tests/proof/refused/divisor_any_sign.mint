# error: [E0411] W(x)
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear strict lower
  map x -> x / W(x)
}
