# error: [E0302] squeeze 2
# 12 halves twice
mint 1
flow F on Image[1, 12, 16] ensures invertible { repeat 3 { squeeze 2 } }
