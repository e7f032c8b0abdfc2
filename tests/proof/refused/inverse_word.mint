# error: [E0209] direction = backwards
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow F on Vec[4] ensures invertible { A(direction = backwards) }
