# error: [E0304] checkerboard
mint 1

layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, checkerboard)
    return join(a, b)
  }
}
