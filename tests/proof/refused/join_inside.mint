# error: [E0213] join(a, b)
mint 1

layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return 2 * join(a, b)
  }
}
