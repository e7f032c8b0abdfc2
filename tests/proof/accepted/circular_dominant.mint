# proves: A: invertible
# class: A: dense, bijection by composition
# of any size, with taps on both sides of the anchor
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 (boundary = circular) with det != 0 via dominant init near_identity
  param V : conv 2x4 (anchor = top_right, dilation = (2, 1), boundary = circular) with det != 0 via dominant
  param b : bias
  map x -> V(leaky_relu(W(x) + b, 0.5))
}
