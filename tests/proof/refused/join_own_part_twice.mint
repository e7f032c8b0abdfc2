# error: [E0410] b * exp(b)
mint 1

layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a, b * exp(b))
  }
}
