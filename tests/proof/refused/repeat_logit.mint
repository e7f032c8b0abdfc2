# error: [E0606] logit(0.05)
mint 1
flow F on Vec[3] ensures invertible { repeat 2 { logit(0.05) } }
