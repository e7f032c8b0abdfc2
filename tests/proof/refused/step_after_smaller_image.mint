# error: [E0602] invertible
mint 1
layer A on Vec[D] ensures injective { map x -> sigmoid(x) }
layer B on Vec[D] ensures invertible { map x -> 2 * x }
flow F on Vec[3] ensures invertible { A  B }
