# error: [E0414] x - W(x)
# x - (I + U V) x = -U V x is singular wherever the rank is below the number of coordinates
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear (rank = 1) with det != 0
  map x -> x - W(x)
}
