# proves: A: invertible
# class: A: diagonal, diag in [2, 2]
# proves: Start: invertible
# class: Start: bijection of (-0.0102041, 1.0102)^D onto R^D
# proves: F: invertible
# class: F: bijection of (-0.0102041, 1.0102)^D onto R^D
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow Start on Vec[D] ensures invertible { logit(0.01)  A }
flow F on Vec[5] ensures invertible { Start  A }
