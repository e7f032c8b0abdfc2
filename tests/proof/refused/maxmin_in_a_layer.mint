# error: [E0901] maxmin(x)
mint 1
layer A on Vec[4] ensures invertible {
  map x -> x + 0.5 * maxmin(x)
}
