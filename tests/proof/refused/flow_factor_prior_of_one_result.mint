# error: [E0304] Mean
# its mean and nothing else: the scale of what leaves is missing
mint 1
net Mean from Vec[D] to Vec[D] {
  param V : linear
  map x -> V(x)
}
flow F on Vec[4] ensures invertible { factor half (prior = Mean) }
