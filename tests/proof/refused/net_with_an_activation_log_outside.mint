# error: [E0407] h(V(x))
mint 1
net N(h: Act) from Vec[D] to Vec[D] {
  param V : linear
  map x -> h(V(x))
}
layer A on Vec[D] ensures invertible {
  param n : net N(h = log) from Vec[D / 2] to Vec[D / 2]
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + n(a))
  }
}
