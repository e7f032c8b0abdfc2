# proves: A: diag >= 0.3, diag > 0, invertible
# class: A: diagonal, diag in [0.3, 1]
mint 1
act soft = leaky_relu(0.3)
layer A on Vec[D] ensures diag >= 0.3, diag > 0, invertible { map x -> soft(x) }
