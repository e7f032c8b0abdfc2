# proves: A: diag >= 0.2, invertible
# class: A: diagonal, diag in [0.25, 0.25]
mint 1
layer A on Vec[D] ensures diag >= 0.2, invertible { map x -> x / 4 }
