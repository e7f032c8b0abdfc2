# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in [0.5, inf)
mint 1
net H from Vec[D], Vec[M] to (Vec[D], Vec[E]) {
  param V : linear
  param U : linear from Vec[M] to Vec[D]
  param R : linear from Vec[D] to Vec[E]
  map x, y {
    let u = V(x) + U(y)
    return (u, R(u))
  }
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param b : bias on Vec[3]
  param c : bias on Vec[2]
  param n : net H from Vec[3], Vec[2] to (Vec[3], Vec[D])
  param W : linear lower with diag >= 0.5
  map x {
    let (p, q) = n(b, c)
    let (r, s) = n(p, c)
    return W(x) + q * s
  }
}
