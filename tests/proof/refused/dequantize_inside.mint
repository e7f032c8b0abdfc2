# error: [E0604] G
mint 1
flow G on Vec[D] { dequantize 256 }
flow F on Vec[6] { G }
