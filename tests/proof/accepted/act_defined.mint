# proves: A: diag >= 0.1, invertible
# class: A: diagonal, diag in (0.1, 1)
mint 1
act leaky(u) = 0.1 * u + 0.9 * softplus(u)
layer A on Vec[D] ensures diag >= 0.1, invertible { map x -> leaky(x) }
