# error: [E0209] seeds
mint 1
layer A on Vec[D] ensures invertible {
  space Own = Vec[2 * D] (seeds = 3)
  map x -> x
}
