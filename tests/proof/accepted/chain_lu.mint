# proves: A: invertible, inverse closed_form, log_det exact
# class: A: dense, bijection by composition
# lower after upper is dense; each has a diagonal without a 0, so the product is regular
mint 1
layer A on Image[C, H, W] ensures invertible, inverse closed_form, log_det exact {
  order channel_major
  param P : perm (axis = channel, seed = 3)
  param L : conv 1x1 lower with diag == 1
  param U : conv 1x1 upper with diag != 0
  map x -> P(L(U(x)))
}
