# error: [E0304] Image[C, H, W]
mint 1
layer A(o: Order) on Image[C, H, W] ensures invertible {
  order o
  param k : conv 3x3 lower with diag != 0
  map x -> k(x)
}
flow F on Image[2, 4, 4] ensures invertible { A(o = natural) }
