# error: [E0301] A
# the first copy fits, the second gets 16 channels
mint 1
layer A on Image[4, H, W] ensures invertible { map x -> 2 * x }
flow F on Image[1, 8, 8] ensures invertible { repeat 2 { squeeze 2  A } }
