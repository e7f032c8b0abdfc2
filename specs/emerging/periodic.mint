mint 1

# Periodic convolutions: images go on with their other side, and the Fourier transform makes one matrix of each frequency.
# Hoogeboom, van den Berg, Welling, ICML 2019, arXiv:1901.11137, section 3.2. There nothing keeps them invertible, so the
# proof assumes it and the module tests it. Published: an orthogonal centre plus 0.02 N; here the centre alone.

## One k x k convolution of all channels.
layer Periodic on Image[C, H, W] ensures invertible, inverse closed_form {
  param W : conv 3x3 (boundary = circular) with det != 0 via raw init orthogonal
  param b : bias
  map x -> W(x) + b
}
