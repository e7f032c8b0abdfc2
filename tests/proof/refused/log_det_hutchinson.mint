# error: [E0901] hutchinson(probes = 1)
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(x)
}
flow F on Vec[4] ensures invertible { A log_det hutchinson(probes = 1) }
