# error: [E0209] 4
mint 1
flow F on Image[3, 8, 8] ensures invertible { squeeze 4 (layout = alternate) }
