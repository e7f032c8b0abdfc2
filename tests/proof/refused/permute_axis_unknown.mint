# error: [E0209] height
mint 1
flow F on Image[3, 8, 8] ensures invertible { permute(axis = height) }
