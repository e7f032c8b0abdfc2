# the shape would change with each copy
# error: [E0607] factor half
mint 1
flow F on Image[4, 4, 4] ensures invertible { repeat 2 { squeeze 2  factor half } }
