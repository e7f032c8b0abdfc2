# error: [E0901] repeat 2 { squeeze 2 }
mint 1
flow F on Image[1, 8, 8] ensures invertible { repeat 2 { squeeze 2 } }
