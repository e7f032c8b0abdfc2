# error: [E0410] x / (1 + exp(x))
mint 1
layer A on Vec[D] ensures invertible { map x -> x / (1 + exp(x)) }
