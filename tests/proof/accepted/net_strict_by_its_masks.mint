# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
net N(tri: Dir) from Vec[D] to (Vec[D], Vec[D]) {
  param V : linear strict tri
  param U : linear tri
  map x -> (U(V(x)), U(x))
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param n : net N(tri = lower) from Vec[D] to (Vec[D], Vec[D])
  param W : linear lower with diag > 0
  map x {
    let (s, m) = n(elu(W(x)))
    return W(x) + s
  }
}
