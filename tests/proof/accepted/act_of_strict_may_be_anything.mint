# proves: A: lower, diag == 1, volume_preserving, invertible
# class: A: lower, diag in [1, 1]
mint 1
layer A on Vec[D] ensures lower, diag == 1, volume_preserving, invertible {
  param V : linear strict lower
  map x -> x + sin(V(x)) + V(gelu(x))
}
