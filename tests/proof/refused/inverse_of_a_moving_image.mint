# error: [E0609] A(direction = inverse)
# the image of sigmoid(x) + V(x) moves with earlier coordinates: it is no box
mint 1
layer A on Vec[D] ensures lower, diag > 0, injective {
  param V : linear strict lower
  map x -> sigmoid(x) + V(x)
}
flow F on Vec[4] ensures injective { A(direction = inverse) }
