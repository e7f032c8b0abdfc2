# error: [E0606] G
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow G on Vec[D] ensures invertible { logit(0.05)  A }
flow F on Vec[3] ensures invertible { A  G }
