# error: [E0304] Field
# a field reads the time as well
mint 1
net Field from Vec[D] to Vec[D] {
  param V : linear
  map x -> V(x)
}
flow F on Vec[3] ensures invertible { ode Field log_det exact }
