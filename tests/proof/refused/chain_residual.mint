# error: [E0414] x + W(x)
# det(-I) is not 0, x - x is
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear with det != 0
  map x -> x + W(x)
}
