# error: [E0204] first
# which of the three it would be is not said
mint 1
layer A on S ensures invertible { param b : bias  map x -> x + b }
flow F on Image[1, 8, 8] ensures invertible { repeat 3 { squeeze 2  repeat 2 { first: A } } }
