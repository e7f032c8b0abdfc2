# error: [E0603] pair { A(tri = lower) A(tri = lower) }
mint 1
layer A(tri: Dir) on Vec[D] ensures tri, invertible {
  param W : linear tri with diag > 0
  map x -> W(x)
}
flow F on Vec[3] ensures invertible { pair { A(tri = lower)  A(tri = lower) } }
