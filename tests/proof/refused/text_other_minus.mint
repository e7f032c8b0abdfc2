# error: [E0103] −
mint 1
layer A on Vec[D] ensures invertible { map x -> x − 0.5 * tanh(x) }
