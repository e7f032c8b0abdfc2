# error: [E0304] conv 1x1 (stride = 2)
# a layer's maps are of the variable, and this one leaves pixels out
mint 1
layer A on Image[C, H, W] ensures invertible {
  param V : conv 1x1 (stride = 2) from Image[C, H, W] to Image[C, H / 2, W / 2] with lip <= 0.5
  map x -> x
}
