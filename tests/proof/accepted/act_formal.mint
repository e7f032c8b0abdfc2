# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A(h: Act) on Vec[D] ensures lower, diag > 0, invertible {
  param t : scale with diag > 0
  param V : linear lower with diag >= 0
  map x -> t * x + h(V(x))
}
flow F on Vec[4] ensures invertible { A(h = elu)  A(h = tanh)  A(h = leaky_relu(0.5)) }
