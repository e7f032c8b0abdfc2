# error: [E0401] relu(x)
mint 1
layer A on Vec[D] ensures invertible { map x -> relu(x) }
