# error: [E0106] 1.7e308
mint 1
layer A on Vec[D] ensures diag >= 1.7e308 { map x -> exp(709.5) * x }
