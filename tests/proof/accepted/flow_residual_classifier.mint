# proves: A: invertible
# proves: Inner: invertible, log_det none
# proves: F: invertible, inverse iterative, log_det none
# class: A: dense, bijection by composition
# class: Inner: bijection of R^D
# class: F: bijection of R^D
# the head of a classifier needs no log-det
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(tanh(x))
}
net Head from Vec[D] to Vec[3] {
  param W : linear from Vec[D] to Vec[3]
  map x -> W(x)
}
flow Inner on Vec[N] ensures invertible, log_det none { repeat 2 { A } }
flow F on Vec[4] ensures invertible, inverse iterative, log_det none { Inner  A log_det exact  classify Head }
