# error: [E0206] tanh
mint 1
act tanh(u) = u
layer A on Vec[D] ensures invertible { map x -> x }
