# error: [E0212] A
mint 1
const A = B + 1
const B = A + 1
layer L on Vec[D] ensures invertible { map x -> x }
