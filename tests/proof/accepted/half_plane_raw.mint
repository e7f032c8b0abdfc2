# proves: A: invertible
# class: A: dense, bijection by composition
# assumes: A: det(W) != 0 of A
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 (anchor = bottom_right) with det != 0 via raw
  map x -> W(x)
}
