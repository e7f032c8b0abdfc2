# proves: F: invertible
# class: F: bijection of R^D
# linear maps and functions with a largest slope, the time beside each
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[4]
  param W : linear from Vec[5] to Vec[D]
  param b : bias on Vec[4]
  map x, time -> W(concat(softplus(V(concat(x, time)) + b), time))
}
flow F on Vec[3] ensures invertible { ode Field by dopri5(until = 1, tol = 1e-5) log_det exact }
