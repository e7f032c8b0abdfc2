# error: [E0901] A(direction = inverse)
mint 1
layer L on Vec[D] ensures invertible { map x -> 2 * x }
flow A on Vec[4] ensures invertible { L }
flow F on Vec[4] ensures invertible { A(direction = inverse) }
