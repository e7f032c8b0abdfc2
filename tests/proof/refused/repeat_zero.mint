# error: [E0307] 0
mint 1
flow F on Image[1, 4, 4] ensures invertible { repeat 0 { squeeze 2  unsqueeze 2 } }
