# proves: A: lower, diag > 0, invertible
# proves: Tri: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
# class: Tri: lower, diag in (0, inf)
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(Tri(a), 2 * Tri(b) + a)
  }
}
layer Tri on Vec[D] ensures lower, diag > 0, invertible {
  param W : linear lower with diag > 0
  map x -> W(x) + tanh(x)
}
