# error: [E0409] Tri(tri = upper)(Tri(tri = lower)(x))
mint 1
layer A on Vec[D] ensures lower, invertible {
  map x -> Tri(tri = upper)(Tri(tri = lower)(x))
}
layer Tri(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible {
  param W : linear tri with diag > 0
  map x -> W(x) + tanh(x)
}
