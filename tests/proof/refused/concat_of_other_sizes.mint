# error: [E0301] concat(b, c)
mint 1
layer A on Image[C, H, W] ensures invertible {
  param b : bias (per = element)
  param c : bias on Image[C, H, H]
  map x -> x + concat(b, c)
}
