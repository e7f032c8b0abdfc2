# error: [E0610] sigmoid(V(concat(x, time)))
# the divisor comes as close to 0 as one likes
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> tanh(x) / sigmoid(V(concat(x, time)))
}
flow F on Vec[3] ensures invertible { ode Field log_det exact }
