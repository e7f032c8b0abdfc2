# error: [E0402] n(u)
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures lower, invertible {
  param b : bias
  param n : net G
  map x {
    let u = b + 0.5 * x
    let v = n(u)
    return 3 * x + v
  }
}
