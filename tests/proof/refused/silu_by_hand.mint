# error: [E0410] x * sigmoid(x)
mint 1
layer A on Vec[D] ensures injective { map x -> x * sigmoid(x) }
