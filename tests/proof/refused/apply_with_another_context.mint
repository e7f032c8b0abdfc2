# error: [E0301] Shift(x)
mint 1
layer Shift on Vec[D] given y : Vec[D] ensures diag > 0, invertible {
  map x -> x + y
}
layer A on Vec[D] given y : Vec[M] ensures invertible { map x -> 2 * Shift(x) + 1 }
