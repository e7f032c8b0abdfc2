# error: [E0304] linear lower
mint 1
layer A on Image[C, H, W] ensures invertible {
  param V : linear lower with diag > 0
  map x -> V(x)
}
