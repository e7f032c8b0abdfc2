# error: [E0406] abs(x)
mint 1
layer A on Vec[D] ensures injective { map x -> abs(x) }
