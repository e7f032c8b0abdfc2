# error: [E0210] Own
mint 1
layer A on Vec[D] ensures invertible {
  map x -> Own(x)
}
layer Own(n: Nat) on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x / n
}
