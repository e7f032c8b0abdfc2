# error: [E0209] l
# error: [E0209] m
# error: [E0209] s
mint 1
layer A on Vec[D] ensures invertible {
  param l, m, s : bias on Vec[2 * D]
  map x -> mix_logistic(x, l, m, s)
}
