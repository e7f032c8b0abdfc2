# error: [E0305] let (a, b, c, d, e) = split(x, wide)
mint 1
mask wide = i mod 5
layer A on Vec[D] ensures invertible {
  map x {
    let (a, b, c, d, e) = split(x, wide)
    return join(a, b, c, d, 2 * e)
  }
}
flow F on Vec[4] ensures invertible { A }
