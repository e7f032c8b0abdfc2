# proves: A: upper, onto, invertible
# class: A: upper, diag in [0.5, 1]
# 0 * silu(x) has a slope of 0, so the argument of the map is as good as x, though silu loses the sign
mint 1
layer A on Vec[D] ensures upper, onto, invertible {
  param W : linear upper with diag >= 0.5, diag <= 1
  map x -> W(x + 0.0 * silu(x))
}
