# proves: A: diag >= 1, invertible
# class: A: diagonal, diag in [1, inf)
# the sign of a is free, and b takes it
mint 1
layer A on Vec[D] ensures diag >= 1, invertible {
  param a : scale with lip <= 0.5
  param b : scale
  tie diag(a) * diag(b) >= 0
  map x -> x + a * (b * x)
}
