# error: [E0413] a
mint 1

layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a, a)
  }
}
