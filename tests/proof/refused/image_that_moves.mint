# error: [E0602] invertible
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear strict lower
  map x -> sigmoid(x) + W(x)
}
