# error: [E0307] permute(axis = all)
mint 1
flow F on Image[3, 4096, 4096] ensures invertible { permute(axis = all) }
