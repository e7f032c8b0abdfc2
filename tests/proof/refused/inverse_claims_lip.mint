# error: [E0601] lip < 10
# a diagonal of at least 1 bounds the diagonal of the inverse, not the inverse: [[1, 0], [1e6, 1]]
mint 1
layer A on Vec[D] ensures lower, diag == 1, invertible {
  param W : linear lower with diag == 1
  map x -> W(x)
}
flow F on Vec[4] ensures lip < 10 { A(direction = inverse) }
