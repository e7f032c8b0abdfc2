# error: [E0901] P
mint 1
layer A on Vec[4] ensures invertible {
  param P : perm on Vec[2]
  map x {
    let (a, b) = split(x, halves)
    return join(a, P(b))
  }
}
