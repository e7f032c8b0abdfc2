# error: [E0901] W[i]
mint 1
layer A on Vec[D] ensures invertible {
  index i : 2
  param W[i] : linear with det != 0
  map x -> x + sum[i](W[i](x))
}
