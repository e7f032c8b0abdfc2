# the slope of gelu lies in [-0.129, 1.129]: under a known sign nothing more is forgotten
# proves: A: diag >= 0.87, invertible
# class: A: lower, diag in [0.87095, 2.12905]
mint 1
layer A on Vec[D] ensures diag >= 0.87, invertible {
  param W : linear lower with diag >= 0.5, diag <= 1
  map x -> x + gelu(W(x))
}
