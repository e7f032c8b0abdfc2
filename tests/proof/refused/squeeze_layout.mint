# error: [E0209] diagonal
mint 1
flow F on Image[1, 4, 4] ensures invertible { squeeze 2 (layout = diagonal) }
