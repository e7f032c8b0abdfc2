# error: [E0208] h
mint 1
act h = elu
flow F on Vec[3] ensures invertible { h }
