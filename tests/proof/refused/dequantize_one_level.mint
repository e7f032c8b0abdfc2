# error: [E0209] 1
mint 1
flow F on Image[1, 8, 8] { dequantize 1 }
