mint 1

# A circular convolution that is invertible whatever its weights and the size of the image: at the anchor an orthogonal
# matrix, beside it taps whose norms add up to 1/2 at most. Its singular values lie in [1/2, 3/2].

import "std/actnorm.mint" { ActNorm }

## A 3x3 convolution of all channels, near a rotation of the channels at first.
layer Circular on Image[C, H, W] ensures invertible, inverse closed_form {
  param W : conv 3x3 (boundary = circular) with det != 0 via dominant init orthogonal
  map x -> W(x)
}

## Scales and shifts before it reach other norms.
flow CircularStep on Image[C, H, W] ensures invertible {
  ActNorm
  Circular
}
