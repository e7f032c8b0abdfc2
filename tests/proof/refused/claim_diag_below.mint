# error: [E0214] diag < 2
mint 1
layer A on Vec[D] ensures diag < 2 { map x -> x }
