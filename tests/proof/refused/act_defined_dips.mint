# error: [E0406] dip(x)
mint 1
act dip(u) = u - 3 * tanh(u)
layer A on Vec[D] ensures diag > 0 { map x -> dip(x) }
