# warning: [W0101] E0404
# warning: [W0201] d
mint 1
layer A on Vec[D] ensures invertible {
  # mint: allow E0404
  param d : bias
  map x -> x
}
