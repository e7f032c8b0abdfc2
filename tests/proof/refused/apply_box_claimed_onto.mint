# error: [E0602] invertible
mint 1
layer A on Vec[D] ensures invertible {
  map x -> Box(x) / 2 + 1
}
layer Box on Vec[D] ensures injective {
  map x -> sigmoid(x)
}
