# error: [E0211] conv 3x3 strict
mint 1
layer A on Image[C, H, W] ensures invertible {
  param k : conv 3x3 strict
  map x -> x + k(x)
}
