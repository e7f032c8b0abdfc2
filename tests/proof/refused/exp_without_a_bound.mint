# error: [E0417] exp(M)(x)
# how many terms are enough is not known: I + M with M = -I is 0
mint 1
layer A on Image[C, H, W] ensures invertible {
  param M : conv 3x3
  map x -> exp(M)(x)
}
