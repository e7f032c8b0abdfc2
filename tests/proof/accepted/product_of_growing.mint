# proves: A: diag >= 1, invertible
# class: A: diagonal, diag in [1, inf)
mint 1
layer A on Vec[D] ensures diag >= 1, invertible { map x -> x + exp(x) * softplus(x) }
