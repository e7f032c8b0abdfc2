# warning: [W0602] F
mint 1
layer One(tri: Dir) on Image[C, H, W] ensures tri, diag > 0, invertible {
  param W : conv 3x3 tri with diag > 0
  map x -> W(x)
}
flow F on Image[1, 8, 8] ensures invertible {
  pair { One(tri = lower)  One(tri = upper) }
  prior normal
}
