mint 1

# FFJORD on the points of the plane: Grathwohl et al., ICLR 2019, arXiv:1810.01367. Hidden layers of 64 units, tanh;
# with two coordinates the exact trace costs two products with the Jacobian, so nothing is estimated.

## The vector field; the time is one more coordinate of every layer.
net Field(width: Nat) from Vec[D], Vec[1] to Vec[D] {
  param V1         : linear from Vec[D + 1] to Vec[width]
  param V2, V3     : linear from Vec[width + 1] to Vec[width]
  param V4         : linear from Vec[width + 1] to Vec[D]
  param b1, b2, b3 : bias   on Vec[width]
  param b4         : bias
  map x, time {
    let u = tanh(V1(concat(x, time)) + b1)
    let v = tanh(V2(concat(u, time)) + b2)
    let w = tanh(V3(concat(v, time)) + b3)
    return V4(concat(w, time)) + b4
  }
}

flow FfjordToy2d(width: Nat = 64) on Vec[2] ensures invertible, log_det solver, inverse solver {
  ode Field(width = width) by dopri5(until = 0.5, tol = 1e-5) log_det exact
  prior normal
}
