# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
# proves: Down: invertible, inverse iterative
# class: Down: bijection of R^D
# proves: Half: invertible
# class: Half: bijection of R^D
# proves: Twice: invertible
# class: Twice: bijection of R^D
# proves: Up: invertible, volume_preserving
# class: Up: bijection of R^D
# proves: Padded: injective, log_det none
# class: Padded: injective only: `pad` appends 3 channels that are always 0
mint 1
# a block that changes the shape is written out: each copy acts on what the one before leaves
const N = 3
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x)
}
flow Down on Image[1, 16, 8] ensures invertible, inverse iterative {
  repeat N { squeeze 2  A  repeat 2 { A  permute } }
  prior learned_normal(per = channel)
}
flow Half on Image[C, H, W] ensures invertible { squeeze 2  A }
flow Twice on Image[C, H, W] ensures invertible { repeat 2 { repeat 2 { Half }  unsqueeze 2 } }
flow Up on Image[64, 1, 2] ensures invertible, volume_preserving { repeat 3 { unsqueeze 2  reverse } }
flow Padded on Image[1, 2, 2] ensures injective, log_det none { repeat 1 { pad channels to 4 }  repeat 2 { reverse } }
