# error: [E0606] logit(0.05)
mint 1
layer Twice on Vec[D] ensures invertible { map x -> 2 * x }
flow F on Vec[4] ensures invertible { Twice  factor half  logit(0.05) }
