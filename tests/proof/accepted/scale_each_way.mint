# proves: A: diagonal, diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
mint 1
layer A on S ensures diagonal, diag > 0, invertible {
  param a : scale with diag > 0 via softplus
  param b : scale with diag > 0 via exp
  param c : scale (per = channel) with diag >= 0.5 via abs
  param d : scale with diag >= 0.25, diag <= 4
  param e : scale with diag >= 0 via square
  map x -> a * (b * (c * (d * x))) + e * x
}
