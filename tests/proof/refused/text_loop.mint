# error: [E0105] for
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  for i in range(K)
  map x -> x
}
