# error: [E0901] P[i]
mint 1
layer A on Vec[D] ensures invertible {
  index i : 2
  param P[i] : perm
  map x -> sum[i](P[i](x))
}
