# proves: A: tri, diag > 0, invertible
# class: A: tri, diag in (0, inf)
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A(o: Order = raster, tri: Dir = lower) on Image[C, H, W] ensures tri, diag > 0, invertible {
  order o
  param k : conv 3x3 tri with diag > 0
  map x -> k(x)
}
flow F on Image[2, 4, 4] ensures invertible { A  A(o = channel_major, tri = upper)  A(o = corner) }
