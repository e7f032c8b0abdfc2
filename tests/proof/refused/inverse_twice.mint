# error: [E0204] direction = inverse
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow F on Vec[4] ensures invertible { A(direction = forward, direction = inverse) }
