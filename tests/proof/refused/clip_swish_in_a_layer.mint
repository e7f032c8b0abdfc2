# error: [E0901] clip_swish(x)
mint 1
layer A on Vec[4] ensures invertible {
  map x -> x + 0.5 * clip_swish(x)
}
