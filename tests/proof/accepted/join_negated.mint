# proves: A: invertible, diag != 0
# class: A: lower, diag in [-1, 1]
mint 1

layer A on Seq[T, D] ensures invertible, diag != 0 {
  map x {
    let (a, b) = split(x, channel)
    return join(a, a - b)
  }
}
