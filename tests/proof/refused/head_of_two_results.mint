# error: [E0304] classify H(classes = 3)
mint 1
net H(classes: Nat) from Vec[D] to (Vec[classes], Vec[D]) {
  param V : linear from Vec[D] to Vec[classes]
  map x -> (V(x), x)
}
flow F on Vec[4] { classify H(classes = 3) }
