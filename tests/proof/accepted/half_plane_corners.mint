# proves: A: invertible
# class: A: dense, bijection by composition
# proves: B: volume_preserving, invertible
# class: B: dense, volume-preserving bijection by composition
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A on Image[C, H, W] ensures invertible {
  param a : conv 3x3 (anchor = bottom_right) with det != 0
  param b : conv 2x4 (anchor = bottom_left, dilation = 3) with det != 0 via qr
  map x -> b(a(x))
}
layer B on Image[C, H, W] ensures volume_preserving, invertible {
  param c : conv 1x3 (anchor = top_right) with det == 1
  param d : conv 3x1 (anchor = top_left, dilation = (2, 1)) with det == 1 via householder
  param P : perm
  param m : bias
  map x -> -d(P(c(x) + m))
}
flow F on Image[4, 2, 2] ensures invertible { A B }
