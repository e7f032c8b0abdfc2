# error: [E0412] a + tanh(b)
mint 1

layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a + tanh(b), b + tanh(a))
  }
}
