# warning: [W0201] d
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias # mint: allow W0201
  param d : bias
  map x -> x
}
