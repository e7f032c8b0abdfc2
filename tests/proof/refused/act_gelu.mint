# error: [E0406] gelu(x)
mint 1
layer A on Vec[D] ensures injective { map x -> gelu(x) }
