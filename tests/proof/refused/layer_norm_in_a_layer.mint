# error: [E0304] layer_norm
mint 1
layer A on Vec[D] ensures invertible {
  param n : layer_norm
  map x -> n(x)
}
