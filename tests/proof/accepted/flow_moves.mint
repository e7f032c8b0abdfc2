# proves: A: lower, invertible
# class: A: lower, diag in (0, inf)
# proves: Scale: diag > 0, invertible
# class: Scale: diagonal, diag in (0, inf)
# proves: Moves: invertible, volume_preserving, lip <= 1, log_det exact, inverse closed_form
# class: Moves: bijection of R^D
# proves: F: invertible
# class: F: bijection of (-1e-06, 1)^D onto R^D
# proves: G: invertible
# class: G: bijection of R^D
mint 1
layer A on Vec[D] ensures lower, invertible {
  param W : linear lower with diag > 0
  map x -> W(x)
}
layer Scale on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x
}
flow Moves on Image[C, H, W] ensures invertible, volume_preserving, lip <= 1, log_det exact, inverse closed_form {
  permute(axis = channel, seed = 3)
  squeeze 2 (layout = alternate)
  reverse(axis = all)
  unsqueeze 2 (layout = alternate)
  patches 2
  reverse(axis = time)
  permute(time, 7)
  flatten
  permute(axis = all)
}
# moves stand in whatever box the values lie in: `logit` still gets the unit interval
flow F on Image[1, 4, 8] ensures invertible {
  dequantize 256
  patches 4
  permute(axis = time)
  reverse
  flatten
  permute
  logit(1e-6)
  Scale
  reverse
  Scale
  prior normal
}
flow G on Image[2, 2, 4] ensures invertible { Moves  A }
