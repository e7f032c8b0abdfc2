# error: [E0213] x
mint 1

layer A on Vec[D] ensures invertible {
  param V : linear
  map x {
    let (a, b) = split(x, strided)
    let u = V(x)
    return join(a, b)
  }
}
