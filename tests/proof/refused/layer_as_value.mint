# error: [E0213] B
mint 1
layer B on Vec[D] ensures invertible { map x -> x }
layer A on Vec[D] ensures invertible { map x -> x + B }
