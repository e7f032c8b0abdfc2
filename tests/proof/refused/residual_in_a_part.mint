# error: [E0901] b + V(tanh(b))
# the parts are bijections, which nothing inverts yet
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear on Vec[D / 2] with lip <= 0.5
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + V(tanh(b)))
  }
}
