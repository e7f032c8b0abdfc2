# proves: A: lower, diag > 0, invertible, inverse closed_form
# class: A: lower, diag in (0.367879, 2.71828)
mint 1

layer A on Vec[D] ensures lower, diag > 0, invertible, inverse closed_form {
  param V : linear from Vec[D / 2] to Vec[D / 2]
  map x {
    let (a, b) = split(x, halves)
    let s = exp(tanh(V(a)))
    return join(a, (b + V(a)) * s)
  }
}
