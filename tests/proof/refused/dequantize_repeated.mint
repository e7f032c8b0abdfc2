# error: [E0605] dequantize 256
mint 1
flow F on Image[1, 8, 8] { repeat 2 { dequantize 256 } }
