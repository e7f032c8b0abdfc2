mint 1

# The convolution exponential: Hoogeboom, Garcia Satorras, Tomczak, Welling, NeurIPS 2020, arXiv:2006.01910.

## exp(M) of any 3x3 convolution M: a bijection whatever M is, its log-det the trace, its inverse exp(-M).
layer ConvExp(bound: Real = 0.95)
  on Image[C, H, W]
  ensures invertible, log_det exact, inverse closed_form
{
  param M : conv 3x3 with lip <= bound init normal(std = 0.01)
  param b : bias     init zeros
  map x -> exp(M)(x) + b
}
