# error: [E0209] -1
# time goes from 0 on
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> V(concat(x, time))
}
flow F on Vec[3] ensures invertible { ode Field by dopri5(until = -1) log_det exact }
