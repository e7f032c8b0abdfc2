# error: [E0610] u * u
# a square of something that is Lipschitz and unbounded
mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time {
    let u = V(concat(x, time))
    return u * u
  }
}
flow F on Vec[3] ensures invertible { ode Field log_det exact }
