# error: [E0601] volume_preserving
mint 1
layer A on Vec[D] ensures volume_preserving {
  param W : linear with det != 0
  map x -> W(x)
}
