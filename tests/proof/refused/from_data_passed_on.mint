# error: [E0710] from_data
# error: [E0710] from_data
mint 1
layer A(i: Init = from_data) on Vec[D] ensures invertible {
  param s : scale with diag > 0 init i
  map x -> s * x
}
layer B(i: Init) on Vec[D] ensures invertible {
  param s : scale with diag > 0 init i
  map x -> s * x
}
flow F on Vec[4] ensures invertible { B(i = from_data) }
