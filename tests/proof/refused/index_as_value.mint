# error: [E0213] j
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index j : K
  map x -> sum[j](j * x)
}
