# error: [E0302] patches 2
mint 1
flow F on Image[3, 8, 9] ensures invertible { patches 2 }
