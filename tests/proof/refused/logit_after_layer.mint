# error: [E0606] logit(0.05)
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow F on Vec[3] ensures invertible { A  logit(0.05) }
