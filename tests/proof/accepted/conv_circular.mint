# proves: A: invertible
# class: A: lower, diag in [1, 1]
# a circular convolution has no direction, so it stands in nets, and as a constant of the context
mint 1
net N from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x3 (boundary = circular)
  param U : conv 2x4 (anchor = top_right, dilation = (2, 1), boundary = circular)
  map x -> U(relu(V(x)))
}
layer A on Image[C, H, W] ensures invertible {
  space Half = Image[C / 2, H, W]
  param n : net N from Half to Half
  map x {
    let (a, b) = split(x, channel)
    return join(a, b + n(a))
  }
}
