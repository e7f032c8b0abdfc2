# error: [E0304] Image[C, H]
mint 1
layer A on Image[C, H] ensures invertible { map x -> x }
