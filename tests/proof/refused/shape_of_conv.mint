# error: [E0301] from Image[C, H, W] to Image[C, H, 2 * W]
mint 1
layer A on Image[C, H, W] ensures invertible {
  param k : conv 3x3 from Image[C, H, W] to Image[C, H, 2 * W]
  map x -> x + k(x)
}
