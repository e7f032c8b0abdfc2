# error: [E0401] w
# of two numbers of length 1 one may be 0
mint 1
layer A on Vec[D] ensures invertible {
  param w : scale with length == 1
  map x -> w * x
}
