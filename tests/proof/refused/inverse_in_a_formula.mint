# error: [E0901] A(direction = inverse)(x)
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
layer B on Vec[D] ensures invertible { map x -> A(direction = inverse)(x) }
