# proves: A: tri, diag > 0, invertible
# class: A: tri, diag in [1e-12, inf)
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A(K: Nat, tri: Dir, h: Act = elu) on Image[C, H, W] ensures tri, diag > 0, invertible {
  order channel_major
  index i, j : K
  param t        : scale with diag >= 1e-12 via abs init ones
  param W1[j]    : conv 3x3 tri
  param W2[i, j] : conv 3x3 tri
  param W3[i]    : conv 3x3 tri
  param b1[j], b2[i], b3 : bias
  tie diag(W3[i]) * diag(W2[i, j]) * diag(W1[j]) >= 0
  map x {
    let u[j] = h(W1[j](x) + b1[j])
    let v[i] = h(sum[j](W2[i, j](u[j])) + b2[i])
    return t * x + sum[i](W3[i](v[i])) + b3
  }
}
flow F on Image[3, 8, 8] ensures invertible {
  pair { A(K = 2, tri = lower)  A(K = 2, tri = upper) }
  A(K = 3, tri = lower, h = softplus)
}
