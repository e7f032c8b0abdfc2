# error: [E0304] time
mint 1
flow F on Image[3, 8, 8] ensures invertible { permute(axis = time, seed = 1) }
