# proves: A: upper, diag != 0, invertible
# class: A: upper, diag in sign(V) * (0, inf)
mint 1
layer A on Vec[D] ensures upper, diag != 0, invertible {
  param V : linear upper with diag != 0
  map x -> V(x)
}
