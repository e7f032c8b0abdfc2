# error: [E0409] V(x)
mint 1
layer A on Image[C, H, W] ensures invertible {
  param V : conv 1x1
  map x -> V(x)
}
