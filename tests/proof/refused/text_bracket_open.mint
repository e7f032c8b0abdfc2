# error: [E0102] }
mint 1
layer A on Vec[D] ensures invertible {
  map x -> x + softplus(x
}
