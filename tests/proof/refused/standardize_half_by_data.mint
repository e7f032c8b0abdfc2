# error: [E0209] std = data
mint 1
flow F on Vec[4] ensures invertible { standardize(mean = 0.5, std = data) }
