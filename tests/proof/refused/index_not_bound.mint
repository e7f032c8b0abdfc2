# error: [E0408] j
mint 1
layer A(K: Nat) on Vec[D] ensures lower {
  index j : K
  param W[j] : linear lower
  map x {
    let u[j] = W[j](x)
    return x + u[j]
  }
}
