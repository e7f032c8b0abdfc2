# error: [E0412] a + b
mint 1

layer A on Vec[D] ensures injective {
  map x {
    let (a, b, c) = split(x, strided, parts = 3)
    return join(a + b, b + tanh(c), c * exp(a))
  }
}
