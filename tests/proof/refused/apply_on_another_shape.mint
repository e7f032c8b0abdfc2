# error: [E0301] a
mint 1
layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(Own(a), b)
  }
}
layer Own on Vec[4] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x
}
