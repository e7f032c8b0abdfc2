# proves: F: invertible, log_det estimated, inverse solver
# class: F: bijection of R^D
# products with what reads the time only, and of bounded factors; exp of what is bounded
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V, W : linear from Vec[D + 1] to Vec[D]
  param U : linear from Vec[1] to Vec[D]
  param n : layer_norm
  param s : scale
  map x, time {
    let gated = x * sigmoid(U(time))
    let bounded = tanh(V(concat(x, time))) * exp(W(concat(tanh(x), time)))
    return gated + bounded + s * n(x) / (1 + exp(U(time)))
  }
}
flow F on Vec[3] ensures invertible, log_det estimated, inverse solver {
  ode Field by dopri8(until = 1, tol = 1e-6) log_det hutchinson(probes = 2)
}
