# error: [E0210] b
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias init fan_in_uniform
  map x -> x + b
}
