# proves: A: invertible
# class: A: triangular in its parts, diag in (0, 1]
mint 1

mask thirds = h + w + c mod 3

layer A on Image[C, H, W] ensures invertible {
  param V : conv 3x3
  map x {
    let (a, b, c) = split(x, thirds, parts = 3)
    return join(a - pick(V(spread(c)), a), b / pick(1 + exp(V(spread(a))), b), c, thirds)
  }
}
