mint 1

# FFJORD on tabular data: Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud, ICLR 2019, arXiv:1810.01367.
# The sizes are those of the released command for MINIBOONE: one flow, two hidden layers of 20 units a coordinate.

## The vector field; the time is one more coordinate of every layer.
net Field(width: Nat) from Vec[D], Vec[1] to Vec[D] {
  act h = softplus
  param V1     : linear from Vec[D + 1] to Vec[width]
  param V2     : linear from Vec[width + 1] to Vec[width]
  param V3     : linear from Vec[width + 1] to Vec[D]
  param b1, b2 : bias   on Vec[width]
  param b3     : bias
  map x, time {
    let u = h(V1(concat(x, time)) + b1)
    let v = h(V2(concat(u, time)) + b2)
    return V3(concat(v, time)) + b3
  }
}

flow FfjordTabular(width: Nat = 860) on Vec[43] ensures invertible, log_det estimated {
  ode Field(width = width) by dopri5(until = 1, tol = 1e-6) log_det hutchinson(probes = 1)
  prior normal
}
