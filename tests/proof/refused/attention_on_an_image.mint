# error: [E0304] attention
mint 1
net N from Image[C, H, W] to Image[C, H, W] {
  param P : attention
  map x -> P(x)
}
layer A on Vec[D] ensures invertible {
  map x -> x
}
