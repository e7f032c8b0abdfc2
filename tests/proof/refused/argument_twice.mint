# error: [E0204] K = 4
mint 1
layer A(K: Nat) on Vec[D] ensures invertible { map x -> x }
flow F on Vec[3] ensures invertible { A(K = 3, K = 4) }
