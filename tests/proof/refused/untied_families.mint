# error: [E0404] sum[j](W2[i, j](elu(W1[j](x))))
mint 1
layer A(K: Nat, tri: Dir) on Image[C, H, W] ensures tri, diag > 0 {
  index i, j : K
  param t        : scale with diag >= 1e-3
  param W1[j]    : conv 3x3 tri
  param W2[i, j] : conv 3x3 tri
  param W3[i]    : conv 3x3 tri
  map x {
    let v[i] = elu(sum[j](W2[i, j](elu(W1[j](x)))))
    return t * x + sum[i](W3[i](v[i]))
  }
}
