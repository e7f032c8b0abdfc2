# error: [E0607] factor half
mint 1
layer A(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible {
  param V : linear tri with diag > 0
  map x -> V(x)
}
flow F on Vec[4] ensures invertible { pair { A(tri = lower)  factor half } }
