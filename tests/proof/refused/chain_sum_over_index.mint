# error: [E0414] sum[i](P(x + b[i]))
mint 1
layer A on Vec[D] ensures invertible {
  index i : 2
  param P : perm
  param b[i] : bias
  map x -> sum[i](P(x + b[i]))
}
