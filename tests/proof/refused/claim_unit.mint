# error: [E0601] diag == 1
mint 1
layer A on Vec[D] ensures diag == 1 { map x -> 2 * x }
