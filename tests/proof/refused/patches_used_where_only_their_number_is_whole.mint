# error: [E0303] patches 4
mint 1
flow G on Image[C, H, W] ensures invertible { patches 4 }
flow F on Image[1, 2, 8] ensures invertible { G }
