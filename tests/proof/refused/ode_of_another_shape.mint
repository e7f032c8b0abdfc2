# error: [E0301] Field
# the field gives another shape
mint 1
net Field from Vec[D], Vec[1] to Vec[4] {
  param V : linear from Vec[D + 1] to Vec[4]
  map x, time -> V(concat(x, time))
}
flow F on Vec[3] ensures invertible { ode Field log_det exact }
