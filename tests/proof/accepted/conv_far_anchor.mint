# proves: A: lower, invertible
# class: A: lower, diag in (0, inf)
mint 1
order down = (h - w, c)
layer A on Image[C, H, W] ensures lower, invertible {
  order down
  param k : conv 3x3 lower (anchor = bottom_left) with diag > 0
  param l : conv 1x5 lower (anchor = top_left) with diag > 0
  map x -> k(l(x))
}
