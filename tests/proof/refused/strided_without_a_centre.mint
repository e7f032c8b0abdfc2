# error: [E0306] conv 4x4 (stride = (2, 1))
# four columns have no middle pixel
mint 1
net N from Image[C, H, W] to Image[C, H / 2, W / 2] {
  param V : conv 4x4 (stride = (2, 1)) from Image[C, H, W] to Image[C, H / 2, W]
  map x -> V(x)
}
