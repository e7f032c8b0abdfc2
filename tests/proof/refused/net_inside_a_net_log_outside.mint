# error: [E0407] log(V(x))
mint 1
net In from Vec[D] to Vec[D] {
  param V : linear
  map x -> log(V(x))
}
net Out from Vec[D] to Vec[D] {
  param n : net In
  map x -> tanh(n(x))
}
layer A on Vec[D] ensures invertible {
  param n : net Out from Vec[D / 2] to Vec[D / 2]
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + n(a))
  }
}
