# error: [E0710] s[i]
mint 1
layer A on Vec[D] ensures invertible {
  index i : 2
  param s[i] : scale with diag > 0 init from_data
  map x -> sum[i](s[i] * x)
}
