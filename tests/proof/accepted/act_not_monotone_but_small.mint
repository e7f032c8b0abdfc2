# proves: A: diag >= 0.09, invertible
# class: A: diagonal, diag in [0.1, 1.9]
mint 1
layer A on Vec[D] ensures diag >= 0.09, invertible { map x -> x + 0.9 * sin(x) }
