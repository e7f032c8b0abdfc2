# error: [E0601] volume_preserving
# the log-det is minus the sum of the log-scales
mint 1
net Split from Vec[D] to (Vec[D], Vec[D]) {
  param U, V : linear
  map x -> (U(x), V(x))
}
flow F on Vec[4] ensures volume_preserving { factor half (prior = Split) }
