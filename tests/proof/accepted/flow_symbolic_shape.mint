# proves: A: lower, invertible
# class: A: lower, diag in (0, inf)
# proves: Level: invertible
# class: Level: bijection of R^D
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x)
}
flow Level on Image[C, H, W] ensures invertible { squeeze 2  A  unsqueeze 2 }
flow F on Image[3, 8, 8] ensures invertible { Level  squeeze 2  Level }
