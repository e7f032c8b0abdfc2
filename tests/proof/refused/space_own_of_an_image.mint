# error: [E0304] space Own = Image[2 * C, H, W] (degrees = own)
mint 1
layer A on Image[C, H, W] ensures invertible {
  space Own = Image[2 * C, H, W] (degrees = own)
  param b : bias on Own
  map x -> x
}
