# proves: A: invertible, lip < 2
# proves: E: invertible, inverse closed_form
# class: A: dense, bijection by composition
# class: E: dense, bijection by composition
# of a circular kernel the norm is the largest of those of its frequencies
mint 1
layer A(c: Real = 0.9) on Image[C, H, W] ensures invertible, lip < 2 {
  space Hid = Image[8, H, W]
  param V : conv 3x3 (dilation = 2, boundary = circular) from Image[C, H, W] to Hid with lip <= c
  param W : conv 2x4 (anchor = top_right, boundary = circular) from Hid to Image[C, H, W] with lip <= 1 via spectral
  map x -> x + W(tanh(V(x)))
}
layer E on Image[C, H, W] ensures invertible, inverse closed_form {
  param M : conv 3x3 (boundary = circular) with lip <= 2
  map x -> exp(M)(x)
}
