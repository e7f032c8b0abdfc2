# error: [E0212] h
mint 1
act h(u) = u + h(u)
layer A on Vec[D] ensures invertible { map x -> x }
