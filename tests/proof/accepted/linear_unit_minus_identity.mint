# proves: A: strict lower
# class: A: strict lower
mint 1
layer A on Vec[D] ensures strict lower {
  param V : linear lower with diag == 1
  map x -> V(x) - x
}
