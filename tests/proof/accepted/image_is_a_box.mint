# proves: A: diag > 0, injective
# class: A: diagonal, diag in (0, 1]
mint 1
layer A on Vec[D] ensures diag > 0, injective { map x -> tanh(x) + 1 }
