# error: [E0209] 0
mint 1
flow F on Vec[3] ensures invertible { logit(0) }
