# error: [E0602] invertible
# (0, 1) shifted by a net is another interval for each value of what goes on
mint 1
net Split from Vec[D] to (Vec[D], Vec[D]) {
  param U, V : linear
  map x -> (U(x), V(x))
}
layer Squash on Vec[D] ensures injective { map x -> sigmoid(x) }
flow F on Vec[4] ensures invertible { Squash  factor half (prior = Split) }
