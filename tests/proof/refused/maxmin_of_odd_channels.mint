# error: [E0303] maxmin(V(x))
mint 1
net N from Image[C, H, W] to Image[C, H, W] {
  space Mid = Image[5, H, W]
  param V : conv 1x1 from Image[C, H, W] to Mid with lip <= 0.5
  param W : conv 1x1 from Mid to Image[C, H, W] with lip <= 0.5
  map x -> W(maxmin(V(x)))
}
layer A on Image[C, H, W] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
