# error: [E0604] prior normal
mint 1
flow F on Image[1, 8, 8] { repeat 2 { prior normal } }
