# error: [E0301] conv 3x3 (stride = 2)
# it makes another image than the one that it reads
mint 1
net N from Image[C, H, W] to Image[C, H / 2, W / 2] {
  param V : conv 3x3 (stride = 2)
  map x -> V(x)
}
