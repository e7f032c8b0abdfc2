# error: [E0407] log(V(concat(x, time)))
# a field has a value everywhere
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> log(V(concat(x, time)))
}
flow F on Vec[3] ensures invertible { ode Field log_det exact }
