# error: [E0209] w
# error: [E0209] k
# error: [E0209] d
mint 1
layer A on Vec[D] ensures invertible {
  param w, k : bias on Vec[2 * D]
  param d : bias on Vec[D]
  map x -> rq_spline(x, w, k, d)
}
