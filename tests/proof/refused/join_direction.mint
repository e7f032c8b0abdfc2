# error: [E0601] lower
mint 1

layer A on Vec[D] ensures lower {
  map x {
    let (a, b) = split(x, halves)
    return join(a + tanh(b), b)
  }
}
