# error: [E0406] wave(x)
mint 1
act wave = sin
layer A on Vec[D] ensures diag > 0 { map x -> wave(x) }
