# proves: Scale: diag > 0, invertible
# class: Scale: diagonal, diag in (0, inf)
# proves: Squash: diag > 0, injective
# class: Squash: diagonal, diag in (0, 0.25]
# proves: Images: invertible, inverse closed_form, log_det exact
# class: Images: bijection of R^D
# proves: Vectors: invertible, inverse closed_form
# class: Vectors: bijection of R^D
# proves: Tokens: invertible
# class: Tokens: bijection of R^D
# proves: Sized: invertible
# class: Sized: bijection of R^D
# proves: Boxed: injective
# class: Boxed: injective only: every element's image is (0, 1), not all of R
mint 1
# a net makes mean and log-scale of what leaves, of what goes on: a coupling, whose factor exp(-s) is never 0
net Conv(width: Nat, h: Act = relu) from Image[C, H, W] to (Image[C, H, W], Image[C, H, W]) {
  param U : conv 3x3 from Image[C, H, W] to Image[width, H, W]
  param V : conv 1x1 from Image[width, H, W] to Image[C, H, W]
  map x { let u = V(h(U(x)))  return (u, x - u) }
}
net Same from S to (S, S) { map x -> (x, tanh(x)) }
layer Scale on S ensures diag > 0, invertible { param s : scale with diag > 0  map x -> s * x }
layer Squash on S ensures diag > 0, injective { map x -> sigmoid(x) }
# the prior of the flow is that of the parts that leave without a net, and of the last shape
flow Images on Image[1, 8, 8] ensures invertible, inverse closed_form, log_det exact {
  squeeze 2
  Scale
  low: factor half (keep = second, prior = Conv(width = 4))
  squeeze 2
  factor half
  factor half (prior = Conv(width = 2, h = tanh))
  Scale
  prior logistic
}
# where every part leaves through a net, a location may be one a channel of the last shape
flow Vectors on Vec[8] ensures invertible, inverse closed_form {
  factor half (prior = Same)
  factor half (prior = Same, keep = second)
  prior learned_normal(per = channel)
}
flow Tokens on Seq[3, 4] ensures invertible { factor half (prior = Same)  factor half  prior normal }
flow Sized(K: Nat) on Image[C, H, W] ensures invertible { squeeze 2  factor half (prior = Conv(width = 2 * K))  Scale }
flow Boxed on Vec[4] ensures injective { Squash  factor half (prior = Same)  prior normal }
