# proves: A: invertible, volume_preserving
# proves: F: invertible, volume_preserving
# class: A: lower, diag in [1, 1]
# class: F: bijection of R^D
mint 1

layer A(start: Nat = 0) on Vec[D] ensures invertible, volume_preserving {
  param V : linear from Vec[D / 2] to Vec[D / 2]
  map x {
    let (a, b) = split(x, strided, start = start)
    return join(a, b + V(a))
  }
}

flow F on Vec[4] ensures invertible, volume_preserving {
  A  A(start = 1)
}
