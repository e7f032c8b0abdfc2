# error: [E0409] W(x)
mint 1
layer A on Vec[D] {
  param W : linear
  map x -> W(x)
}
flow F on Vec[4] ensures invertible { A(direction = inverse) }
