# error: [E0301] A
mint 1
layer A on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x)
}
flow F on Image[1, 4, 4] ensures invertible { flatten  A }
