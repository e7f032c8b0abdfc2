# proves: A: lower, invertible
# class: A: lower, diag in (0, inf)
# proves: F: invertible
# class: F: bijection of R^D
mint 1
const SIDE = 2 * 4
space Tile = Image[12, SIDE, SIDE]
layer A on Tile ensures lower, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x)
}
flow F on Tile ensures invertible { A  unsqueeze 2  squeeze 2  A }
