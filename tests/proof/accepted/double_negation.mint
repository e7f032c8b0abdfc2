# proves: A: diag > 0
# class: A: diagonal, diag in [1, 1]
mint 1
layer A on Vec[D] ensures diag > 0 { map x -> -(-x) }
