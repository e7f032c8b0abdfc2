mint 1

# A convolution with zeros around the image and taps on all sides of its anchor that is invertible whatever its weights and
# the size of the image: at the anchor an orthogonal matrix, beside it taps whose norms add up to 1/2 at most. Its singular
# values lie in [1/2, 3/2], and its inverse takes 24 steps in float32.

import "std/actnorm.mint" { ActNorm }

## A 3x3 convolution of all channels, near a rotation of the channels at first.
layer Dominant on Image[C, H, W] ensures invertible, inverse iterative, log_det exact {
  param W : conv 3x3 with det != 0 via dominant init orthogonal
  map x -> W(x)
}

## Scales and shifts before it reach other norms.
flow DominantStep on Image[C, H, W] ensures invertible {
  ActNorm
  Dominant
}
