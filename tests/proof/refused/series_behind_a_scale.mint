# error: [E0613] series(terms = 3)
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow F on Vec[4] ensures invertible { A log_det series(terms = 3) }
