# error: [E0701] det == 2
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear with det == 2
  map x -> W(x)
}
