mint 1

# Inverse-Flow: Nagar, Varma, AISTATS 2025, arXiv:2410.14634.

## A 3x3 convolution padded at the top and left, its corner unit triangular: log-det 0, inverse in H + W - 1 fronts.
layer Corner on Image[C, H, W] ensures invertible, volume_preserving {
  param k : conv 3x3 (anchor = bottom_right)
    with det == 1 via unit_lower init near_identity(std = 0.05)
  map x -> k(x)
}

## The solve is the direction of training, so that sampling is a plain convolution.
flow InverseFlow on Image[C, H, W] ensures invertible, volume_preserving, inverse closed_form {
  Corner(direction = inverse)
}
