# error: [E0307] W
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear lower with diag > 0
  map x -> W(x)
}
flow F on Vec[1000000] ensures invertible { A }
