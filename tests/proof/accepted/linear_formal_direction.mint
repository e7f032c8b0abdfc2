# proves: A: tri, diag >= 1, invertible
# class: A: tri, diag in [1, inf)
mint 1
layer A(tri: Dir) on Vec[D] ensures tri, diag >= 1, invertible {
  param V : linear tri with diag >= 1
  map x -> V(V(x))
}
