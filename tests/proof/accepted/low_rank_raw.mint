# proves: A: invertible
# class: A: dense, bijection by composition
# assumes: A: det(W) != 0 of A
# as published: U and V stored as they are, det(I + V U) != 0 is tested
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 1x1 (rank = 1) with det != 0 via raw
  map x -> W(x)
}
