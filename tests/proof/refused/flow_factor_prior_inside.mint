# error: [E0607] factor half (prior = Split)
mint 1
net Split from Vec[D] to (Vec[D], Vec[D]) {
  param U, V : linear
  map x -> (U(x), V(x))
}
flow F on Vec[4] ensures invertible { repeat 1 { factor half (prior = Split) } }
