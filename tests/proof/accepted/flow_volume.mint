# proves: A: volume_preserving, invertible
# class: A: lower, diag in [1, 1]
# proves: R: volume_preserving, invertible
# class: R: diagonal, diag in [-1, -1]
# proves: F: volume_preserving, invertible
# class: F: bijection of R^D
mint 1
layer A on Vec[D] ensures volume_preserving, invertible {
  param V : linear strict lower
  map x -> x + elu(V(x))
}
layer R on Vec[D] ensures volume_preserving, invertible { map x -> -x }
flow F on Vec[5] ensures volume_preserving, invertible { A  R  A }
