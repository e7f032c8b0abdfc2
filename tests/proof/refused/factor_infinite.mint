# error: [E0106] 1e308 * 10
mint 1
const B = 1e308 * 10
layer A on Vec[D] ensures invertible { map x -> B * x }
