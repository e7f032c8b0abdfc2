# error: [E0301] B
# what comes behind the block is not judged: its shape is not known
mint 1
layer A on Image[C, H, W] ensures invertible { map x -> 2 * x }
layer B on Vec[D] ensures invertible { map x -> 2 * x }
flow F on Image[1, 8, 8] ensures invertible { repeat 2 { squeeze 2  B  A }  C }
layer C on Image[16, 2, 2] ensures invertible { map x -> 2 * x }
