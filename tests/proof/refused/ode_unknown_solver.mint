# error: [E0209] rk4
# a method with fixed steps has no tolerance
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> V(concat(x, time))
}
flow F on Vec[3] ensures invertible { ode Field by rk4(until = 1) log_det exact }
