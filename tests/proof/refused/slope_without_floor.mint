# error: [E0602] invertible
mint 1
layer A on Vec[D] ensures invertible { map x -> x - softplus(x) }
