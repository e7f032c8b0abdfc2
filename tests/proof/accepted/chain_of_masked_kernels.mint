# proves: A: invertible, inverse closed_form
# proves: B: invertible, inverse closed_form, volume_preserving
# class: A: dense, bijection by composition
# class: B: dense, volume-preserving bijection by composition
# each is triangular in its direction, their composition in none; inverted one by one, by fronts
mint 1
layer A on Image[C, H, W] ensures invertible, inverse closed_form {
  order channel_major
  param L : conv 3x3 lower with diag > 0
  param U : conv 3x4 upper (anchor = (0, 2), dilation = (1, 2)) with diag != 0
  param P : perm
  param b : bias
  map x -> U(leaky_relu(L(P(x)) + L(b), 0.5)) - b
}
layer B(d: Dir = lower) on Image[C, H, W] ensures invertible, inverse closed_form, volume_preserving {
  param W : conv 1x1 with det == 1
  param L : conv 2x3 d (anchor = corner) with diag == 1
  map x -> L(W(-L(x)))
}
