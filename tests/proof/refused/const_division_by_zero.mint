# error: [E0211] 0
mint 1
const A = 1 / 0
layer L on Vec[D] ensures invertible { map x -> x }
