# error: [E0209] let (a, b, c) = split(x, halves)
mint 1

layer A on Vec[D] ensures invertible {
  map x {
    let (a, b, c) = split(x, halves)
    return join(a, b, c)
  }
}
