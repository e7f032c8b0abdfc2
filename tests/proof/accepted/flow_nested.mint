# proves: A: tri, diag > 0, invertible
# class: A: tri, diag in (0, inf)
# proves: Both: invertible
# class: Both: bijection of R^D
# proves: Two: invertible
# class: Two: bijection of R^D
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A(tri: Dir) on Vec[D] ensures tri, diag > 0, invertible {
  param V : linear tri with diag > 0
  map x -> V(x)
}
flow Both on Vec[D] ensures invertible { pair { A(tri = upper)  A(tri = lower) } }
flow Two on Vec[D] ensures invertible { Both  repeat 3 { Both } }
flow F on Vec[6] ensures invertible { Two  prior normal }
