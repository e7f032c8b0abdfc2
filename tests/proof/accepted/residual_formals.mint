# proves: A: invertible
# class: A: dense, bijection by composition
# the bound is a number of the layer; each value that is used is proved by itself
mint 1
layer A(bound: Real = 0.9, h: Act = elu) on Image[C, H, W] ensures invertible {
  param V : conv 3x3 from Image[C, H, W] to Image[2 * C, H, W] with lip <= bound
  param W : conv 1x1 from Image[2 * C, H, W] to Image[C, H, W] with lip <= bound
  map x -> x + W(h(V(h(x))))
}
