# error: [E0304] natural
mint 1
layer A on Image[C, H, W] ensures lower {
  order natural
  map x -> x
}
