# error: [E0409] W(x)
# nothing keeps a frequency away from 0
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 (boundary = circular)
  map x -> W(x)
}
