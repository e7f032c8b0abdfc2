# error: [E0901] W
mint 1
layer A on Vec[4] ensures invertible {
  param W : linear on Vec[2] with det != 0
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + W(a))
  }
}
