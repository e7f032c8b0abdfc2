mint 1

# The autoregressive convolution: one kernel, masked in raster order.
# Hoogeboom, van den Berg, Welling, ICML 2019, arXiv:1901.11137, section 3.1.

## 5 of the 9 taps: at the centre a triangle of the channels, and for `upper`, as in the released code, the rows below and
## the pixels to the right, for `lower` those above and to the left. For n channels 4 n^2 + n (n + 1) / 2 weights; the
## 5 n^2 that the CInC paper counts have all of the centre. Inverse in 2 (H - 1) + W fronts.
layer Autoregressive(tri: Dir) on Image[C, H, W] ensures tri, diag != 0, invertible {
  param k : conv 3x3 tri with diag != 0 init near_identity(std = 0.02)
  map x -> k(x)
}
