# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in [1, inf)
mint 1
layer A(K: Nat) on Vec[D] ensures lower, diag > 0, invertible {
  index i, j : K
  param V[i, j] : linear lower with diag >= 0
  map x {
    let u[j] = sum[i](V[i, j](x))
    let v = sum[i](elu(u[i]))
    return x + v
  }
}
