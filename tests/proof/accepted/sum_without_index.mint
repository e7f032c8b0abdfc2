# proves: A: diag >= 1, invertible
# class: A: diagonal, diag in [1, inf)
mint 1
layer A(K: Nat) on Vec[D] ensures diag >= 1, invertible {
  index i : K
  map x -> sum[i](x)
}
