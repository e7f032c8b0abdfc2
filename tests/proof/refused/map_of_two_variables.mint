# error: [E0304] y
mint 1
layer A on Vec[D] ensures invertible { map x, y -> x }
