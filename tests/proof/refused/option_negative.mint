# error: [E0209] -0.1
mint 1
act h = leaky_relu(-0.1)
layer A on Vec[D] ensures invertible { map x -> h(x) }
