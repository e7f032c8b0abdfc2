# proves: A: invertible, inverse iterative, lip < 2.6
# proves: B: invertible
# class: A: dense, bijection by composition
# class: B: dense, bijection by composition
# A: slopes of the terms of one coordinate in [0.5, 2], lip of the rest 0.49 + 0; B: in [-3, -1.5], 1.4
mint 1
layer A on Vec[D] ensures invertible, inverse iterative, lip < 2.6 {
  param t : scale with diag >= 0.5, diag <= 1.5
  param V : linear with lip <= 0.49
  map x -> t * x + V(x) + 0.5 * tanh(x)
}
layer B on Image[C, H, W] ensures invertible {
  param V : conv 3x3 with lip <= 0.7
  param t : scale (per = channel) with diag >= 0.5, diag <= 2
  map x -> V(x) - (x + t * x) + V(sin(x))
}
