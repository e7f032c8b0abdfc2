# error: [E0204] prior = Split
mint 1
net Split from Vec[D] to (Vec[D], Vec[D]) {
  param U, V : linear
  map x -> (U(x), V(x))
}
flow F on Vec[4] ensures invertible { factor half (prior = Split, keep = second, prior = Split) }
