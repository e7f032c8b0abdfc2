# error: [E0603] A
mint 1
layer A on Vec[D] ensures lower, invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + tanh(a))
  }
}
layer B on Vec[D] ensures upper, invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a + tanh(b), b)
  }
}
flow F on Vec[4] ensures invertible {
  pair {
    A
    B
  }
}
