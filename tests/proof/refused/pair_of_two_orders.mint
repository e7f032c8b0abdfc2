# error: [E0603] pair { A(o = raster, tri = lower) A(o = channel_major, tri = upper) }
mint 1
layer A(o: Order, tri: Dir) on Image[C, H, W] ensures tri, invertible {
  order o
  param k : conv 3x3 tri with diag > 0
  map x -> k(x)
}
flow F on Image[2, 4, 4] ensures invertible { pair { A(o = raster, tri = lower)  A(o = channel_major, tri = upper) } }
