# error: [E0603] squeeze 2
mint 1
layer A on S ensures invertible { map x -> 2 * x }
flow F on Image[1, 8, 8] ensures invertible { repeat 2 { pair { squeeze 2  A } } }
