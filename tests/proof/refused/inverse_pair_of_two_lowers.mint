# error: [E0603] pair { A(tri = lower) A(tri = lower, direction = inverse) }
# the inverse of a lower triangular map is lower triangular
mint 1
layer A(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible {
  param W : linear tri with diag > 0
  map x -> W(x)
}
flow F on Vec[4] ensures invertible { pair { A(tri = lower)  A(tri = lower, direction = inverse) } }
