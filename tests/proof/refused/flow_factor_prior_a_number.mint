# error: [E0209] 3
mint 1
flow F on Vec[4] ensures invertible { factor half (prior = 3) }
