# proves: A: invertible
# proves: F: invertible, lip < 3
# class: A: dense, bijection by composition
# class: F: bijection of R^D
# 1.5 * 1.9
mint 1
layer A(bound: Real = 0.5) on Vec[D] ensures invertible {
  param W : linear with lip <= bound
  map x -> x + W(tanh(x))
}
flow F on Vec[4] ensures invertible, lip < 3 {
  A log_det exact
  A(bound = 0.9) log_det exact
}
