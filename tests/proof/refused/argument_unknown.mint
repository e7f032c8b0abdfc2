# error: [E0209] L
mint 1
layer A(K: Nat) on Vec[D] ensures invertible { map x -> x }
flow F on Vec[3] ensures invertible { A(L = 3) }
