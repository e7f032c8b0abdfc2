# error: [E0401] tanh(a)
mint 1

layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a, b * tanh(a))
  }
}
