# error: [E0601] volume_preserving
# the trace need not be 0
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> V(concat(x, time))
}
flow F on Vec[3] ensures volume_preserving { ode Field log_det exact }
