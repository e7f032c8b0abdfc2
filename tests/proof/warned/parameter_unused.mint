# warning: [W0201] d
mint 1
layer A on Vec[D] ensures invertible {
  param b, d : bias
  map x -> x + b
}
