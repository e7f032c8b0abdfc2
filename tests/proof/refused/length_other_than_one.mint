# error: [E0701] length == 2
mint 1
layer A on Vec[D] ensures diagonal {
  param w : scale with length == 2
  map x -> w * x
}
