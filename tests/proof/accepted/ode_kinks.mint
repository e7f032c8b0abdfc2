# proves: F: invertible
# class: F: bijection of R^D
# relu has kinks: the flow is bi-Lipschitz, and the log-det holds almost everywhere
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> relu(V(concat(x, time)))
}
flow F on Vec[3] ensures invertible { ode Field by bosh3(until = 0.5, tol = 1e-3) log_det exact }
