# error: [E0301] from Vec[D] to Vec[2]
# error: [E0304] from Vec[D], Vec[D] to Vec[D]
# error: [E0208] N
# error: [E0304] classify P
# error: [E0304] N
mint 1
extern net N from Vec[D] to Vec[D]
extern net P from Vec[D] to (Vec[D], Vec[D])
layer A on Vec[D] ensures invertible {
  param b : bias
  param n : net N from Vec[D] to Vec[2]
  map x -> x + b
}
layer B on Vec[D] ensures invertible {
  param b : bias
  param n : net N from Vec[D], Vec[D] to Vec[D]
  map x -> x + b
}
flow Step on Vec[4] ensures invertible { N }
flow Head on Vec[4] ensures invertible { classify P }
flow Half on Vec[4] ensures invertible { factor half (prior = N)  prior normal }
