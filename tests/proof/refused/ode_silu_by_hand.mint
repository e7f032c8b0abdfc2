# error: [E0610] x * sigmoid(V(concat(x, time)))
# the sigmoid is bounded, and its slope times x is not
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> x * sigmoid(V(concat(x, time)))
}
flow F on Vec[3] ensures invertible { ode Field log_det exact }
