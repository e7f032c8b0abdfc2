# proves: A: diag >= 0.5, invertible
# class: A: diagonal, diag in [0.861285, 1.43872]
mint 1
layer A on Vec[D] ensures diag >= 0.5, invertible {
  param s : scale with diag >= 0.1, diag <= 0.3
  map x -> x + s * gelu(x) - 0.1 * abs(x)
}
