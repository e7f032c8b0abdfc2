# proves: A: diagonal, lower, upper, diag == 1, volume_preserving, invertible
# class: A: diagonal, diag in [1, 1]
mint 1
layer A on Vec[D] ensures diagonal, lower, upper, diag == 1, volume_preserving, invertible { map x -> x }
