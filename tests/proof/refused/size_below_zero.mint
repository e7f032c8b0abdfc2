# error: [E0305] A(K = K - 4)
mint 1
layer A(K: Nat) on Vec[D] ensures invertible { map x -> x }
flow F(K: Nat = 3) on Vec[3] ensures invertible { A(K = K - 4) }
