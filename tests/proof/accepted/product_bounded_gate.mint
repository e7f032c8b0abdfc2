# proves: A: lower, diag >= 0.5, invertible
# class: A: lower, diag in (0.5, 1.5)
mint 1
layer A on Image[C, H, W] ensures lower, diag >= 0.5, invertible {
  param k : conv 3x3 strict lower
  map x -> x * (0.5 + sigmoid(k(x)))
}
