# error: [E0209] conv 3x3 (stride = 2, boundary = circular)
# what wraps around keeps the image
mint 1
net N from Image[C, H, W] to Image[C, H / 2, W / 2] {
  param V : conv 3x3 (stride = 2, boundary = circular) from Image[C, H, W] to Image[C, H / 2, W / 2]
  map x -> V(x)
}
