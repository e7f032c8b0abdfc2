mint 1
layer A(K: Nat, n: Nat) on S { map x -> x }
flow F on Vec[2] { A(K = 1, n = 2) }
