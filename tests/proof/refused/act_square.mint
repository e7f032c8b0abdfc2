# error: [E0406] sq(x)
mint 1
act sq(u) = u * u
layer A on Vec[D] ensures injective { map x -> x + 0.1 * sq(x) }
