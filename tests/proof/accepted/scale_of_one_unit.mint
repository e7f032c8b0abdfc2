# proves: A: diag == 1, volume_preserving
# class: A: diagonal, diag in [1, 1]
mint 1
layer A on Vec[D] ensures diag == 1, volume_preserving {
  param s : scale with diag == 1
  map x -> s * x
}
