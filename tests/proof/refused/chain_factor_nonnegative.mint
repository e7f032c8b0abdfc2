# error: [E0414] W(x) * s
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear with det != 0
  param s : scale with diag >= 0
  map x -> W(x) * s
}
