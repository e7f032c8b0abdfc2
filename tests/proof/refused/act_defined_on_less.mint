# error: [E0407] log(u)
mint 1
act h(u) = log(u)
layer A on Vec[D] { map x -> h(exp(x)) + x }
