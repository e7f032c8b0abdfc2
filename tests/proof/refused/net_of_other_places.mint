# error: [E0304] from Vec[D] to Vec[D]
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
  param n : net H from Vec[D] to Vec[D]
  map x -> x
}
