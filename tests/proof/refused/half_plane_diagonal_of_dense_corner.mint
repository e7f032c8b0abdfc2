# error: [E0701] diag != 0
# entries != 0 on the diagonal of the corner's matrix say nothing: that of four ones is singular
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 (anchor = bottom_right) with diag != 0
  map x -> W(x)
}
