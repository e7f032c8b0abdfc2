# error: [E0601] diag >= 1e-8
# the slope of a spline is bounded below by floor^3 / 2 only, and comes near it
mint 1
layer A on Vec[D] ensures diag >= 1e-8, invertible {
  param w : bias on Vec[2 * D]
  param d : bias on Vec[D]
  map x -> rq_spline(x, widths = w, heights = w, slopes = d)
}
