# error: [E0211] h, i
mint 1
order o = (h, i)
layer A on Vec[D] ensures invertible { map x -> x }
