# error: [*]
mint 1
layer A on Vec[D] ensures invertible {
  map x -> F(x)
}
flow F on Vec[D] ensures invertible { reverse }
