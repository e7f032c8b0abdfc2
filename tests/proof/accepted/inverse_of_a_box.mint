# proves: S: injective
# proves: F: invertible
# class: S: diagonal, diag in (0, 0.25]
# class: F: bijection of (0, 1)^D onto R^D
# the inverse of the sigmoid begins where that ends
mint 1
layer S on Vec[D] ensures injective { map x -> sigmoid(x) }
flow F on Vec[4] ensures invertible {
  S(direction = inverse)
  S
  S(direction = inverse)
}
