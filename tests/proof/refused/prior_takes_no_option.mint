# error: [E0209] per
mint 1
flow F on Vec[4] ensures invertible { prior logistic(per = channel) }
