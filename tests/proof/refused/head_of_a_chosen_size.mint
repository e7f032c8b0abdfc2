# error: [E0304] classify H
mint 1
net H from Vec[D] to Vec[E] {
  param V : linear from Vec[D] to Vec[E]
  map x -> V(x)
}
flow F on Vec[4] { classify H }
