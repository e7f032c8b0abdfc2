# error: [E0701] length == 1
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias with length == 1
  map x -> x + b
}
