# proves: A: tri, diag > 0, invertible
# class: A: tri, diag in (0, inf)
mint 1
layer A(tri: Dir) on Image[C, H, W] ensures tri, diag > 0, invertible {
  order corner
  param k : conv 2x2 tri (anchor = corner) with diag > 0
  map x -> k(x)
}
