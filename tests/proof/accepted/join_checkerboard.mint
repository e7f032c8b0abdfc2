# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1

layer A(start: Nat) on Image[C, H, W] ensures lower, diag > 0, invertible {
  param V : conv 3x3
  param k : scale (per = channel)
  map x {
    let (a, b) = split(x, checkerboard, start = start)
    let e = exp(k * tanh(V(spread(a))))
    return join(a, b * pick(e, b) + pick(V(spread(a)), b))
  }
}
