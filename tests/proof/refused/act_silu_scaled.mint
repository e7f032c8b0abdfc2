# error: [E0406] silu(x)
mint 1
layer A on Vec[D] ensures injective { map x -> x + 11 * silu(x) }
