# proves: A: volume_preserving, invertible
# class: A: diagonal, diag in [1, 1]
mint 1
layer A on Image[C, H, W] ensures volume_preserving, invertible {
  param a : bias (per = channel)
  param b : bias (per = element) init normal(std = 0.1)
  map x -> x + a - b
}
