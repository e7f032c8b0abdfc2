# error: [E0409] W(x)
mint 1
layer A on Vec[D] ensures lower {
  param W : linear
  map x -> x + W(x)
}
