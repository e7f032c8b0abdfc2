# error: [E0602] invertible
mint 1
layer A on Vec[D] ensures injective { map x -> tanh(x) }
flow F on Vec[3] ensures invertible { A }
