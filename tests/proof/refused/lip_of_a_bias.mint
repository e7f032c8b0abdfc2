# error: [E0701] lip <= 1
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias with lip <= 1
  map x -> x + b
}
