# error: [E0302] unsqueeze 2
mint 1
flow F on Image[6, 7, 7] ensures invertible { unsqueeze 2 }
