# error: [E0603] G
mint 1
layer A(tri: Dir) on Vec[D] ensures tri, invertible {
  param W : linear tri with diag > 0
  map x -> W(x)
}
flow G on Vec[D] ensures invertible { A(tri = lower) }
flow F on Vec[3] ensures invertible { pair { G  A(tri = upper) } }
