# error: [E0301] from Vec[D] to Own
# the net gives results without positions of elements, its place says they have them
mint 1
net N from Vec[D] to Vec[2 * D] {
  param V : linear strict lower from Vec[D] to Vec[2 * D]
  map x -> V(x)
}
layer A on Vec[D] ensures lower, invertible {
  space Own = Vec[2 * D] (degrees = own)
  param n : net N from Vec[D] to Own
  param s : bias on Vec[D]
  map x -> rq_spline(x, widths = n(x), heights = n(x), slopes = s)
}
