# error: [E0210] Own(n = 4)
mint 1
layer A on Vec[D] ensures invertible {
  map x -> x * Own(n = 4)
}
layer Own(n: Nat) on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x / n
}
