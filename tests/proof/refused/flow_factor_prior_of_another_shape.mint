# error: [E0301] Wide
# mean and log-scale of all channels, not of the half that leaves
mint 1
net Wide from Image[C, H, W] to (Image[2 * C, H, W], Image[2 * C, H, W]) {
  param U, V : conv 3x3 from Image[C, H, W] to Image[2 * C, H, W]
  map x -> (U(x), V(x))
}
flow F on Image[4, 2, 2] ensures invertible { factor half (prior = Wide) }
