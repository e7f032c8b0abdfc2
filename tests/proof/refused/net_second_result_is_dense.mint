# error: [E0402] n(b, x)
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
layer A on Vec[D] ensures lower, invertible {
  param b : bias on Vec[2]
  param n : net H from Vec[2], Vec[D] to (Vec[2], Vec[D])
  map x {
    let (p, q) = n(b, x)
    return 3 * x + q
  }
}
