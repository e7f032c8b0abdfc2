# error: [E0209] 4
mint 1
layer A(K: Nat) on Vec[D] ensures invertible { map x -> x }
flow F on Vec[3] ensures invertible { A(3, 4) }
