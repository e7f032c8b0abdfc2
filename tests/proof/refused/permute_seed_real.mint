# error: [E0211] 0.5
mint 1
flow F on Vec[8] ensures invertible { permute(seed = 0.5) }
