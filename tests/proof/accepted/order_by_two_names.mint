# proves: L: invertible
# proves: F: invertible
# class: L: tri, diag in [1, inf)
# class: F: bijection of R^D
# an order by two names is one binding: a certificate holds one proof of it
mint 1
order own = (i)
layer L(o: Order = natural, tri: Dir = lower) on Vec[D] ensures invertible {
  order o
  param W : linear tri with diag >= 1
  map x -> W(x)
}
flow F on Vec[3] ensures invertible {
  pair { L(o = own)  L(o = own, tri = upper) }
  L
}
