# error: [E0305] 0
mint 1

layer A(start: Nat = 0) on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves, start = start)
    return join(a, b + start * a)
  }
}
