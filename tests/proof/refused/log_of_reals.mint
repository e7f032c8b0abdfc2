# error: [E0407] log(x)
mint 1
layer A on Vec[D] ensures injective { map x -> log(x) }
