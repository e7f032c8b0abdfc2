# error: [E0610] a(x)
# the slope of attention grows with its arguments
mint 1
net Field from Seq[T, D], Vec[1] to Seq[T, D] {
  param a : attention
  map x, time -> a(x)
}
flow F on Seq[3, 2] ensures invertible { ode Field log_det exact }
