mint 1
layer A on S ensures injective, invertible { map x -> tanh(x) }
