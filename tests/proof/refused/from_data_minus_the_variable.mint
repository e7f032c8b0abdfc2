# error: [E0710] b - x
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias init from_data
  map x -> b - x
}
