# error: [E0414] b + Mix(b) * exp(a)
mint 1
layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + Mix(b) * exp(a))
  }
}
layer Mix on Vec[D] ensures invertible {
  param L : linear lower with diag == 1
  param U : linear upper with diag > 0
  map x -> L(U(x))
}
