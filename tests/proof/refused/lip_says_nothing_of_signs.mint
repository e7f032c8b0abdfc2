# error: [E0401] a
# a scale of bounded norm may be 0, and negative
mint 1
layer A on Vec[D] ensures diag > 0 {
  param a : scale with lip <= 0.5
  map x -> a * x
}
