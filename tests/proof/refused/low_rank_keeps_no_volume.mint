# error: [E0701] det == 1
# det(I + U V) = det(I + V U) is whatever the small matrix has
mint 1
layer A on Vec[D] ensures volume_preserving {
  param W : linear (rank = 2) with det == 1
  map x -> W(x)
}
