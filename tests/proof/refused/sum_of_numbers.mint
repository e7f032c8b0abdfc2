# error: [E0213] sum[j](2)
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index j : K
  map x -> x + sum[j](2)
}
