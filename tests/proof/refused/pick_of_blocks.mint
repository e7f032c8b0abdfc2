# error: [E0213] pick(b, b)
mint 1

layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a, pick(b, b))
  }
}
