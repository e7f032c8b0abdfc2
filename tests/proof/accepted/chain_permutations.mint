# proves: A: volume_preserving, invertible, lip <= 1
# class: A: dense, volume-preserving bijection by composition
mint 1
layer A on S ensures volume_preserving, invertible, lip <= 1 {
  param P : perm (axis = all, seed = 2)
  param Q : perm
  param b : bias
  map x -> b - P(Q(x))
}
