mint 1
layer A on Vec[D] {
  index j : 2
  param W[j] : linear lower with diag > 0
  map x {
    let u[j] = W[j](x)
    return x + u[j]
  }
}
