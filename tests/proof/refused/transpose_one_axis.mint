# error: [E0304] transpose(width, width)
mint 1
layer Id on Image[C, H, W] { map x -> 2 * x }
flow F on Image[2, 3, 4] ensures invertible { Id transpose(width, width) }
