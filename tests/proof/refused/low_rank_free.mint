# error: [E0701] linear (rank = 1)
# I + u v' is singular where v'u = -1
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear (rank = 1)
  map x -> W(x)
}
