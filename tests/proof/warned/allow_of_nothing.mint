# warning: [W0101] W0201
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias # mint: allow W0201
  map x -> x + b
}
