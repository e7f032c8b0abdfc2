# error: [E0603] pair { A B }
mint 1
layer A on Vec[D] ensures diagonal, invertible { map x -> 2 * x }
layer B on Vec[D] ensures upper, invertible {
  param W : linear upper with diag > 0
  map x -> W(x)
}
flow F on Vec[3] ensures invertible { pair { A  B } }
