# error: [E0305] W
# the form has no more reflections than coordinates
mint 1
layer A(d: Nat) on Image[C, H, W] ensures invertible {
  param W : conv 1x1 (rank = d) with det != 0
  map x -> W(x)
}
flow F on Image[3, 2, 2] ensures invertible { A(d = 4) }
