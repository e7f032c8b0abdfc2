# error: [E0408] W
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index j : K
  param W[j] : linear lower
  map x -> x + sum[j](W(x))
}
