# error: [E0208] A
mint 1
layer A on S ensures invertible { map x -> x }
flow F on Vec[4] ensures invertible { factor half (prior = A) }
