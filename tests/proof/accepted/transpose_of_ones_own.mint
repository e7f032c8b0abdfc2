# proves: transpose: diag > 0, invertible
# class: transpose: diagonal, diag in [2, 2]
# proves: F: invertible
# class: F: bijection of R^D
# the step is no word of the grammar: a layer of this name comes first, and a Vec has no two axes anyway
mint 1
layer transpose on S ensures diag > 0, invertible { map x -> 2 * x }
flow F on Vec[3] ensures invertible { transpose }
