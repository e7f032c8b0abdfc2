# proves: Mix: tri, diag > 0, invertible
# proves: A: invertible
# class: Mix: tri, diag in [0.5, inf)
# class: A: lower, diag in (-inf, 1]
# a layer after a spline: of its own coordinate the result is a formula where both are, onto R else
mint 1
layer Mix(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible {
  param W : linear tri with diag >= 0.5
  map x -> W(x)
}
layer A on Vec[4] ensures invertible {
  space Half = Vec[2]
  param V : linear from Half to Vec[6]
  param S : linear from Half to Vec[4]
  map x {
    let (a, b) = split(x, halves)
    return join(a, Mix(lower)(rq_spline(-b + tanh(a), widths = V(a), heights = V(a), slopes = S(a), floor = 1e-5)))
  }
}
