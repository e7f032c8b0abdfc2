# error: [E0409] W(x)
# corner padding makes J block triangular, but a corner that training moves freely can become singular: as in the
# released CInC code, where only the loss keeps the diagonal away from 0
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 (anchor = bottom_right)
  map x -> W(x)
}
