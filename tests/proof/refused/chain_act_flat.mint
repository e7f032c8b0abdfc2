# error: [E0414] h(W(x))
# onto R, but flat between -1 and 1
mint 1
act h(u) = relu(u - 1) - relu(-u - 1)
layer A on Vec[D] ensures invertible {
  param W : linear with det != 0
  map x -> h(W(x))
}
