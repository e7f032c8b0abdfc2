mint 1
flow F on Image[1, 4, 4] { dequantize 256  squeeze 2  unsqueeze 2 }
