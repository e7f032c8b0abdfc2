# proves: A: invertible, log_det exact, inverse iterative
# proves: Tri: tri, diag > 0, invertible
# class: A: dense
# class: Tri: tri, diag in (0, inf)
# lower and upper in one part, the other part fixed: a composition of bijections, whose Jacobian is dense
mint 1
layer A on Image[C, H, W] ensures invertible, log_det exact, inverse iterative {
  space Half = Image[C / 2, H, W]
  param V : conv 3x3 on Half
  map x {
    let (a, b) = split(x, channel)
    let s = V(a)
    return join(a, s - Tri(tri = upper)(Tri(tri = lower)(b) * sigmoid(s + 2)) / 2)
  }
}
layer Tri(tri: Dir) on Image[C, H, W] ensures tri, diag > 0, invertible {
  param W : conv 3x3 tri with diag > 0
  map x -> W(x) + tanh(x)
}
