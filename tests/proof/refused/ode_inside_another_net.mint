# error: [E0610] x * W(x)
# the fault is in a net that the field uses, through a chain
mint 1
net Block from Vec[D] to Vec[D] {
  param W : linear
  map x -> x + x * W(x)
}
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  index l : 2
  param B[l] : net Block from Vec[D] to Vec[D]
  map x, time -> chain[l](B[l])(V(concat(x, time)))
}
flow F on Vec[3] ensures invertible { ode Field log_det exact }
