# error: [E0606] S(direction = inverse)
# the inverse of the sigmoid takes (0, 1), and anything arrives
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
layer S on Vec[D] { map x -> sigmoid(x) }
flow F on Vec[4] ensures injective { A  S(direction = inverse) }
