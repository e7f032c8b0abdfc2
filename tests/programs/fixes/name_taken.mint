mint 1
act t(u) = relu(u)
layer A on S ensures injective { map x -> t(x) }
