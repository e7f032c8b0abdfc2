# proves: A: invertible, inverse iterative, log_det exact
# class: A: dense, bijection by composition
# zeros around the image, taps on all sides of the anchor: regular at every size, as the anchor outweighs them
mint 1
layer A on Image[C, H, W] ensures invertible, inverse iterative, log_det exact {
  param W : conv 3x3 with det != 0 via dominant init near_identity
  param V : conv 5x1 (dilation = (2, 1)) with det != 0 via dominant init orthogonal
  param b : bias
  map x -> V(leaky_relu(W(x) + b, 0.5))
}
