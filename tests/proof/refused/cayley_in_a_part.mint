# error: [E0901] cayley(M)(b)
mint 1
layer A on Vec[D] ensures invertible {
  space Half = Vec[D / 2]
  param M : linear on Half with lip <= 0.5
  map x {
    let (a, b) = split(x, halves)
    return join(a, cayley(M)(b))
  }
}
