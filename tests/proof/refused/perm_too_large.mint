# error: [E0307] A
mint 1
layer A on Image[C, H, W] ensures invertible {
  param P : perm (axis = all)
  map x -> P(x)
}
flow F on Image[3, 4096, 4096] ensures invertible { A }
