# kinds, the strongest first: a claim holds for what is at least as strong
# proves: Scale: log_det exact, inverse closed_form
# proves: Bend: inverse elementwise, inverse iterative
# proves: Mix: inverse iterative
# proves: Pad: injective, log_det none
# class: Scale: diagonal, diag in (0, inf)
# class: Bend: diagonal, diag in (1, 2]
# class: Mix: lower, diag in (0, inf)
# class: Pad: injective only: `pad` appends 2 channels that are always 0
mint 1
layer Scale on Vec[D] ensures log_det exact, inverse closed_form {
  param s : scale with diag > 0
  map x -> s * x
}
layer Bend on Vec[D] ensures inverse elementwise, inverse iterative {
  map x -> x + tanh(x)
}
layer Mix on Vec[D] ensures inverse iterative {
  param W : linear lower with diag > 0
  map x -> W(x)
}
flow Pad on Image[1, 2, 2] ensures injective, log_det none {
  pad channels to 3
}
