# proves: A: invertible
# class: A: dense, bijection by composition
# proves: B: volume_preserving, invertible
# class: B: dense, volume-preserving bijection by composition
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 1x1 with det != 0
  param V : conv 1x1 with det != 0 via upper
  map x -> V(W(x))
}
layer B on Vec[D] ensures volume_preserving, invertible {
  param Q : linear with det == 1 via householder
  param L : linear with det == 1
  param b : bias
  map x -> -Q(L(x) - b)
}
flow F on Image[4, 2, 2] ensures invertible { A A }
