# error: [E0301] from Image[C, H, W] to Image[C, H / 2, W]
# the stride is that of rows and of columns
mint 1
net N from Image[C, H, W] to Image[C, H / 2, W / 2] {
  param V : conv 3x3 (stride = 2) from Image[C, H, W] to Image[C, H / 2, W]
  map x -> V(x)
}
