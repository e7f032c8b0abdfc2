# error: [E0401] exp(x) * exp(x)
mint 1
layer A on Vec[D] ensures diag > 0 { map x -> exp(x) * exp(x) }
