# proves: A: invertible, inverse closed_form
# class: A: dense, bijection by composition
# proves: B: invertible
# class: B: dense, bijection by composition
# proves: F: invertible
# class: F: bijection of R^D
# I + U V by reflections and a small factor, of any rank up to the number of channels
mint 1
layer A(d: Nat) on Image[C, H, W] ensures invertible, inverse closed_form {
  param V : conv 1x1 (rank = 2) with det != 0 via woodbury init identity
  param W : conv 1x1 (rank = d) with det != 0
  param b : bias
  map x -> V(leaky_relu(W(x) + b, 0.5))
}
layer B on Vec[D] ensures invertible {
  param W : linear (rank = D) with det != 0 init near_identity(std = 0.5)
  map x -> -W(x)
}
flow F on Image[4, 2, 3] ensures invertible {
  A(d = 3)
  transpose(channel, width)
  A(d = 1)
  transpose(height, width)
  flatten
  B
}
