# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
layer A on Vec[D] given y : Vec[M] ensures lower, diag > 0, invertible {
  space Half = Vec[D / 2]
  param V : linear from Vec[M] to Half
  param W : linear on Half
  map x {
    let (a, b) = split(x, halves)
    return join(a * exp(V(y)), b * exp(W(a) + V(y)))
  }
}
