# error: [E0610] exp(V(concat(x, time)))
# dz/dt = exp(z) reaches infinity in finite time
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> exp(V(concat(x, time)))
}
flow F on Vec[3] ensures invertible { ode Field log_det exact }
