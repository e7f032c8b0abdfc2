# error: [E0602] invertible
# a flow of R^D, which gets values in (0, 1) only, is not onto
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> V(concat(x, time))
}
layer Squash on Vec[D] ensures diag > 0 { map x -> sigmoid(x) }
flow F on Vec[3] ensures invertible { Squash  ode Field log_det exact }
