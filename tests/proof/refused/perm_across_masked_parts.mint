# error: [E0301] a
# a part of a mask keeps the shape of the whole: its entries would move to places of the other part
mint 1
layer A on Image[C, H, W] ensures invertible {
  param P : perm (axis = all)
  map x {
    let (a, b) = split(x, checkerboard)
    return join(P(a), b)
  }
}
