# error: [E0210] n(b)
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
layer A on Vec[D] ensures invertible {
  param b : bias
  param n : net H from Vec[D], Vec[D] to (Vec[D], Vec[D])
  map x {
    let (p, q) = n(b)
    return x + p
  }
}
