# error: [E0416] x + n(x)
# a mean is beside each of H W pixels
mint 1
net N from Image[C, H, W] to Image[C, H, W] {
  param W : conv 1x1 from Image[2 * C, H, W] to Image[C, H, W] with lip <= 0.5
  map x -> W(concat(x, mean_pool(x)))
}
layer A on Image[C, H, W] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
