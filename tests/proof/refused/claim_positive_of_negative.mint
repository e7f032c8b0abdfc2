# error: [E0601] diag > 0
mint 1
layer A on Vec[D] ensures diag > 0 { map x -> -x }
