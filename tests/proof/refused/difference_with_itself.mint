# error: [E0401] x - x
mint 1
layer A on Vec[D] ensures injective { map x -> x - x }
