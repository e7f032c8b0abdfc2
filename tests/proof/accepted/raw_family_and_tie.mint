# proves: A: tri, diag != 0, invertible
# proves: G: invertible
# class: A: tri, diag in sign(V) * (0, inf)
# class: G: bijection of R^D
# assumes: A: diag(V) != 0 of A; diag(r[i]) != 0 of A
# assumes: G: diag(V) != 0 of A; diag(r[i]) != 0 of A
mint 1
layer A(tri: Dir) on Vec[D] ensures tri, diag != 0, invertible {
  index i : 2
  param V    : linear tri with diag != 0 via raw
  param r[i] : scale with diag != 0 via raw
  param U    : linear tri
  tie diag(U) * diag(V) >= 0
  map x -> V(x) + sum[i](r[i] * (r[i] * U(tanh(x))))
}
flow G on Vec[3] ensures invertible { pair { A(tri = lower)  A(tri = upper) } }
