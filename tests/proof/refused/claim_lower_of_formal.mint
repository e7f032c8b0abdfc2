# error: [E0601] lower
mint 1
layer A(tri: Dir) on Vec[D] ensures lower {
  param W : linear tri
  map x -> W(x)
}
