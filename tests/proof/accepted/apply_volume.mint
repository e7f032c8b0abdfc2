# proves: A: invertible, volume_preserving, inverse closed_form
# proves: Coupling: invertible, volume_preserving
# class: A: dense
# class: Coupling: lower, diag in [1, 1]
mint 1
layer A on Vec[D] ensures invertible, volume_preserving, inverse closed_form {
  map x {
    let (a, b) = split(x, halves)
    return join(a, a - Coupling(b))
  }
}
layer Coupling on Vec[D] ensures invertible, volume_preserving {
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + tanh(a))
  }
}
