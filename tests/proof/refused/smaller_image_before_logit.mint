# error: [E0602] invertible
mint 1
layer A on Vec[D] ensures injective { map x -> sigmoid(x) }
flow F on Vec[3] ensures invertible { A  logit(0.05) }
