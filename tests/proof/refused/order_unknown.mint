# error: [E0201] cincs
mint 1
order cinc = (h + w, -c)
layer A on Image[C, H, W] ensures lower, diag != 0 {
  order cincs
  param k : conv 3x3 lower (anchor = corner) with diag != 0
  map x -> k(x)
}
