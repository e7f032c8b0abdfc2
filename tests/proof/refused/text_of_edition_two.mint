# error: [E0111] mint 2
mint 2
layer A on Vec[D] ensures invertible { map x -> x }
