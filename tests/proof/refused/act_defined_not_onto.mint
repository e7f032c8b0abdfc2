# error: [E0602] invertible
mint 1
act soft(u) = softplus(u) + sigmoid(u)
layer A on Vec[D] ensures invertible { map x -> soft(x) }
