# error: [E0303] factor half
mint 1
flow F on Image[2, 4, 4] ensures invertible { factor half  factor half }
