# error: [E0401] 0 * x
mint 1
layer A on Vec[D] ensures lower, diag > 0 { map x -> 0 * x }
