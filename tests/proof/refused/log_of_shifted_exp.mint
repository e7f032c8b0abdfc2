# error: [E0407] log(exp(x) - 1)
mint 1
layer A on Vec[D] { map x -> log(exp(x) - 1) }
