# error: [E0409] W(x)
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear
  map x -> W(x)
}
