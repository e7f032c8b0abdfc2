# error: [E0412] b
mint 1

layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(b, a)
  }
}
