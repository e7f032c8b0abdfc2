# error: [E0411] s + 1
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear
  param s : scale with diag != 0
  map x -> V(x) / (s + 1)
}
layer A on Vec[D] ensures invertible {
  param n : net N from Vec[D / 2] to Vec[D / 2]
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + n(a))
  }
}
