# error: [E0415] n(x)
# in the inner net, which is strict in its own 2 D positions, the numbers of one element read each other
mint 1
net Inner from Vec[E] to Vec[E] {
  param V : linear strict lower
  map u -> V(u)
}
net Bins from Vec[D] to Vec[2 * D] {
  space Own = Vec[2 * D] (degrees = own)
  param W : linear lower from Vec[D] to Own
  param n : net Inner from Own to Vec[2 * D]
  map x -> n(W(x))
}
layer A on Vec[D] ensures lower, invertible {
  param n : net Bins from Vec[D] to Vec[2 * D]
  param k : bias on Vec[2 * D]
  param s : bias on Vec[D]
  map x -> rq_spline(x, widths = n(x), heights = k, slopes = s)
}
