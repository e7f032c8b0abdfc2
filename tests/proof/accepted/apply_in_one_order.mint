# proves: A: lower, diag > 0, invertible
# proves: B: tri, diag > 0, invertible
# proves: Tri: 
# proves: Own: 
# proves: F: invertible
# class: A: lower, diag in (0, inf)
# class: B: tri, diag in (0, inf)
# class: Tri: tri, diag in (0, inf)
# class: Own: diagonal, diag in (0, inf)
# class: F: bijection of R^D
# a class goes on where both are triangular in one order; a formal direction has the value of the use
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param b : bias (per = element)
  map x -> 2 * Tri(tri = lower)(Own(Tri(tri = lower)(x))) - b
}
layer B(tri: Dir = upper) on Vec[D] ensures tri, diag > 0, invertible {
  map x -> Tri(tri = tri)(Tri(tri)(x))
}
layer Tri(tri: Dir) on Vec[D] {
  param W : linear tri with diag > 0
  map x -> W(x) + tanh(x)
}
layer Own on Vec[D] {
  param s : scale with diag > 0
  map x -> s * x + tanh(x)
}
flow F on Vec[D] ensures invertible { pair { B(tri = lower)  B } }
