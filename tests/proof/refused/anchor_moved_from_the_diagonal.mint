# error: [E0601] upper
# an anchor given by numbers moves no tap to the other side of the order: the mask keeps what is earlier, wherever it is
mint 1
layer A on Image[C, H, W] ensures upper, invertible {
  param k : conv 3x3 lower (anchor = (0, 0)) with diag > 0
  map x -> k(x)
}
