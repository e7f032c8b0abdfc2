# error: [E0209] conv 3x3 lower (stride = 2)
# a direction is one between the places of one image
mint 1
net N from Image[C, H, W] to Image[C, H / 2, W / 2] {
  param V : conv 3x3 lower (stride = 2) from Image[C, H, W] to Image[C, H / 2, W / 2]
  map x -> V(x)
}
