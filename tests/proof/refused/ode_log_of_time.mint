# error: [E0407] log(time)
# time starts at 0, where the logarithm has no value
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> V(concat(x, log(time)))
}
flow F on Vec[3] ensures invertible { ode Field log_det exact }
