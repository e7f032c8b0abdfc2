# proves: A: lower, diag > 0, invertible
# proves: B: tri, diag > 0, invertible
# class: A: lower, diag in [5e-10, 4000]
# class: B: tri, diag in (0, inf)
# splines whose bins read earlier elements: the numbers of element c stand side by side, at its position
mint 1
net Bins(bins: Nat, width: Nat, tri: Dir) from Vec[D] to (Own, Own, Less) {
  space Hid = Vec[width]
  space Own = Vec[bins * D] (degrees = own)
  space Less = Vec[(bins - 1) * D] (degrees = own)
  param V : linear tri from Vec[D] to Hid
  param W, K : linear strict tri from Hid to Own
  param U : linear tri on Own
  param S : linear tri from Own to Less
  param b : bias (per = element) on Own
  map x {
    let w = W(tanh(V(x))) + b
    return (U(w), K(tanh(V(x))) * tanh(w), S(tanh(w)))
  }
}
layer A(bins: Nat, width: Nat) on Vec[D] ensures lower, diag > 0, invertible {
  param n : net Bins(bins = bins, width = width, tri = lower)
    from Vec[D] to (Vec[bins * D], Vec[bins * D], Vec[(bins - 1) * D])
  map x {
    let (w, k, d) = n(x)
    return rq_spline(x, widths = w, heights = k, slopes = d)
  }
}
layer B(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible {
  space Own = Vec[3 * D] (degrees = own)
  param W : linear tri with diag > 0
  param n : net Bins(bins = 3, width = 7, tri = tri) from Vec[D] to (Own, Own, Vec[2 * D])
  param s : scale (per = element) on Own
  map x {
    let (w, k, d) = n(x)
    return rq_spline(W(x), widths = w * s, heights = w - k, slopes = d)
  }
}
