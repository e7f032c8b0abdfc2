# error: [E0401] s
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale
  map x -> x + s * tanh(x)
}
