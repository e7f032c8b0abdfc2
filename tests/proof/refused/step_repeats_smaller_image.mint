# error: [E0602] invertible
mint 1
layer A on Vec[D] ensures injective { map x -> elu(x) }
flow F on Vec[3] ensures invertible { repeat 2 { A } }
