# error: [E0213] 2 * x
mint 1
layer A on Vec[D] ensures invertible {
  map x {
    let (p, q) = 2 * x
    return x + p
  }
}
