# error: [E0213] join(x, x)
mint 1

layer A on Vec[D] ensures invertible {
  map x -> join(x, x)
}
