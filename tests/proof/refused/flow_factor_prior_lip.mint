# error: [E0601] lip <= 100
# exp(-s) has no bound
mint 1
net Split from Vec[D] to (Vec[D], Vec[D]) {
  param U, V : linear
  map x -> (U(x), V(x))
}
flow F on Vec[4] ensures lip <= 100 { factor half (prior = Split) }
