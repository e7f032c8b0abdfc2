# proves: A: invertible, inverse closed_form
# class: A: dense, bijection by composition
# taps on one side of the anchor: front after front, whatever keeps the matrix at the anchor
mint 1
layer A on Image[C, H, W] ensures invertible, inverse closed_form {
  param W : conv 2x3 (anchor = top_right, dilation = (1, 2)) with det != 0 via dominant
  map x -> W(x)
}
