# error: [E0209] leaky_relu(x, a)
mint 1
layer A(a: Real = 0) on Vec[D] ensures invertible { map x -> leaky_relu(x, a) + softplus(x) }
