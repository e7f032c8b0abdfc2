# error: [E0606] logit(1e-6)
mint 1
flow F on Image[1, 8, 8] {
  dequantize 256
  logit(1e-6)
  logit(1e-6)
  prior normal
}
