# error: [E0308] A
mint 1
layer A on Vec[D] ensures invertible {
  map x -> 2 * B(x)
}
layer B on Vec[D] ensures invertible {
  map x -> A(x) + 1
}
