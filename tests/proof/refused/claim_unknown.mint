# error: [E0214] bijective
mint 1
layer A on Vec[D] ensures bijective { map x -> x }
