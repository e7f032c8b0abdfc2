# error: [E0209] Split
mint 1
net Split from Vec[D] to (Vec[D], Vec[D]) {
  param U, V : linear
  map x -> (U(x), V(x))
}
flow F on Vec[4] ensures invertible { factor half (first, Split) }
