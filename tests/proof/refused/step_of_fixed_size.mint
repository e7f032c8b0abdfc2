# error: [E0301] A
mint 1
layer A on Vec[4] ensures invertible { map x -> x }
flow F on Vec[3] ensures invertible { A }
