# error: [E0606] logit(0.05)
mint 1
layer Twice on Vec[D] ensures diag > 0, invertible { map x -> 2 * x }
flow F on Image[1, 4, 4] ensures invertible {
  dequantize 256
  patches 2
  flatten
  Twice
  permute
  logit(0.05)
}
