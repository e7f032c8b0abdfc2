# error: [E0406] sin(x)
mint 1
layer A on Vec[D] ensures injective { map x -> x + sin(x) }
