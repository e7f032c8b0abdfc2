# error: [E0403] tanh(2 * x)
mint 1
layer A on Vec[D] ensures injective { map x -> x - tanh(2 * x) }
