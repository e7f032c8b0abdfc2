# error: [E0209] 1
mint 1
flow F on Image[1, 4, 4] ensures invertible { squeeze 1 }
