# error: [E0407] logit(x)
mint 1
layer A on Vec[D] ensures injective { map x -> logit(x) }
