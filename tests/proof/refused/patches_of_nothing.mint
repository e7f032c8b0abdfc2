# error: [E0209] 0
mint 1
flow F on Image[3, 8, 8] ensures invertible { patches 0 }
