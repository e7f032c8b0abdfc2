# error: [E0601] log_det exact
# a solver has a tolerance
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> V(concat(x, time))
}
flow F on Vec[3] ensures log_det exact { ode Field log_det exact }
