# error: [E0701] diag > 0
mint 1
layer A on Vec[D] ensures invertible {
  param P : perm with diag > 0
  map x -> P(x)
}
