# error: [E0211] h * w, c
mint 1
order o = (h * w, c)
layer A on Image[C, H, W] ensures invertible { order o map x -> x }
