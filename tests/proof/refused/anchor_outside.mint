# error: [E0306] (3, 0)
# rows are counted from 0, so a kernel of three has none of number 3; no tap would meet its own pixel
mint 1
layer A on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower (anchor = (3, 0)) with diag > 0
  map x -> k(x)
}
