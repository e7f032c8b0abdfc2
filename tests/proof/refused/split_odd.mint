# error: [E0303] let (a, b) = split(x, channel)
mint 1

layer A on Image[C, H, W] ensures invertible {
  map x {
    let (a, b) = split(x, channel)
    return join(a, b + tanh(a))
  }
}

flow F on Image[3, 4, 4] ensures invertible {
  A
}
