# error: [E0301] +
# a sum of numbers that stand at the positions of elements, and of others that do not
mint 1
net Bins from Vec[D] to Own {
  space Own = Vec[2 * D] (degrees = own)
  param W : linear strict lower from Vec[D] to Own
  map x -> W(x)
}
layer A on Vec[D] ensures lower, invertible {
  param n : net Bins from Vec[D] to Vec[2 * D]
  param b : bias on Vec[2 * D]
  param s : bias on Vec[D]
  map x {
    let w = n(x)
    return rq_spline(x, widths = w + b, heights = w, slopes = s)
  }
}
