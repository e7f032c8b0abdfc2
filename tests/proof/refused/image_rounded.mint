# error: [E0602] invertible
mint 1
layer A on Vec[D] ensures invertible { map x -> log(exp(x) + 1 + 1e-17 - 0.9999999999999999) }
