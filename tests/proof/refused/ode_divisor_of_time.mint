# error: [E0411] time
# the divisor is 0 at the start
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> tanh(V(concat(x, time))) + V(concat(x, 1 / time))
}
flow F on Vec[3] ensures invertible { ode Field log_det exact }
