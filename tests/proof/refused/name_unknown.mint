# error: [E0201] shfit
mint 1
layer A on Vec[D] ensures lower, diag > 0 {
  param slope : scale with diag > 0
  param shift : bias
  map x -> slope * x + shfit
}
