# proves: A: diag >= 1, invertible
# class: A: diagonal, diag in (1, 4]
mint 1
act down(u) = -u - tanh(u)
layer A on Vec[D] ensures diag >= 1, invertible { map x -> down(down(x)) }
