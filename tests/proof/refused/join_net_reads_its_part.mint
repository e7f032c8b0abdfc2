# error: [E0409] V(b)
mint 1

layer A on Vec[D] ensures invertible {
  param V : linear from Vec[D / 2] to Vec[D / 2]
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + V(b))
  }
}
