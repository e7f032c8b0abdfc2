# proves: A: diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
# proves: F: invertible
# class: F: bijection of (-1e-06, 1)^D onto R^D
mint 1
layer A on S ensures diag > 0, invertible {
  param s : scale (per = channel) with diag > 0
  map x -> s * x
}
flow F(depth: Nat = 2) on Image[1, 8, 8] ensures invertible {
  dequantize 256
  logit(1e-6)
  repeat depth { A }
  squeeze 2 (layout = colour_slow)
  first: A
  second: A
  squeeze 2
  repeat 2 * depth { A  A }
  unsqueeze 2
  unsqueeze 2 (layout = colour_slow)
  prior normal
}
