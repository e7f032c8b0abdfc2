# proves: F: invertible
# class: F: bijection of R^D
# proves: A: diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
mint 1
flow F on Vec[5] ensures invertible { A(K = N) }
const N = 3
layer A(K: Nat) on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x
}
