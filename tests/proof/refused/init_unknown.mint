# error: [E0201] zeroes
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias init zeroes
  map x -> x + b
}
