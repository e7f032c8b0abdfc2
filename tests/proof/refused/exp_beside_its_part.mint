# error: [E0901] exp(M)(a)
mint 1
layer A on Vec[D] ensures invertible {
  space Half = Vec[D / 2]
  param M : linear on Half with lip <= 1
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + exp(M)(a))
  }
}
