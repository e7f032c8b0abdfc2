# error: [E0602] invertible
mint 1
layer A on Vec[D] ensures diag > 0, invertible { map x -> tanh(x) }
