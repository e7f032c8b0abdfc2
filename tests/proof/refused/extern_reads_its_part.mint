# error: [E0402] n(b)
mint 1
extern net N from Vec[D] to Vec[D]
layer A on Vec[D] ensures invertible {
  param n : net N on Vec[D / 2]
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + n(b))
  }
}
