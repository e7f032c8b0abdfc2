# error: [E0608] A(direction = inverse)
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(x)
}
flow F on Vec[4] ensures invertible { A(direction = inverse)  prior normal }
