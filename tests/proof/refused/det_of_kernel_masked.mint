# error: [E0701] det != 0
# with a direction the anchor's matrix is a triangle, which `diag` constrains
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 lower (anchor = corner) with det != 0
  map x -> W(x)
}
