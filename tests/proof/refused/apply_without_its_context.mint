# error: [E0215] Shift(x)
mint 1
layer Shift on Vec[D] given y : Vec[M] ensures diag > 0, invertible {
  param V : linear from Vec[M] to Vec[D]
  map x -> x + V(y)
}
layer A on Vec[D] ensures invertible { map x -> 2 * Shift(x) }
