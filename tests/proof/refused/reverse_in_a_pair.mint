# error: [E0603] reverse
mint 1
layer A(tri: Dir) on Vec[D] ensures tri, invertible {
  param W : linear tri with diag > 0
  map x -> W(x)
}
flow F on Vec[8] ensures invertible { pair { A(tri = lower)  reverse } }
