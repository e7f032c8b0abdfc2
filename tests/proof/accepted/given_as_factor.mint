# a context is a constant, whatever is made of it: as a shift, in an activation, as a positive factor
# proves: A: diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
# proves: B: lower, diag > 0, invertible
# class: B: lower, diag in (0, inf)
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A on S given y : S ensures diag > 0, invertible { map x -> x * exp(y) - sin(y) }
layer B on Image[C, H, W] given y : Image[M, H, W] ensures lower, diag > 0, invertible {
  param k : conv 3x3 lower with diag > 0
  param U : conv 3x3 from Image[M, H, W] to Image[C, H, W]
  map x -> (k(x) + U(y)) / (1 + sigmoid(U(y)))
}
flow F on Image[2, 4, 4] given y : Image[2, 4, 4] ensures invertible { A  B  prior normal }
