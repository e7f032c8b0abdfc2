# proves: L: tri, diag > 0, invertible
# proves: P: invertible, volume_preserving
# proves: R: invertible
# proves: F: invertible
# proves: G: invertible, volume_preserving, inverse closed_form
# class: L: tri, diag in (0, inf)
# class: P: dense, volume-preserving bijection by composition
# class: R: dense, bijection by composition
# class: F: bijection of R^D
# class: G: bijection of R^D
# the inverse of a bijection is one: of a triangular map, of a composition, of a residual sum, in blocks and pairs
mint 1
layer L(tri: Dir) on Vec[D] given c : Vec[D] ensures tri, diag > 0, invertible {
  param t : scale with diag > 0
  param V : linear tri with diag > 0
  map x -> t * x + tanh(V(x)) + c
}
layer P on Vec[D] ensures invertible, volume_preserving {
  param W : linear with det == 1
  map x -> W(x)
}
layer R on Vec[D] ensures invertible {
  param W : linear with lip <= 0.5
  map x -> x + W(tanh(x))
}
flow F on Vec[4] given c : Vec[4] ensures invertible {
  repeat 2 { pair { L(tri = lower, direction = inverse)  L(tri = upper) } }
  last: L(tri = lower, direction = forward)
  R(direction = inverse) log_det exact
  prior normal
}
flow G on Vec[4] ensures invertible, volume_preserving, inverse closed_form {
  P(direction = inverse)
}
