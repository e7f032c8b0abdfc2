# error: [E0406] h(x)
mint 1
layer A(h: Act) on Vec[D] ensures diag > 0 { map x -> h(x) }
flow F on Vec[4] ensures invertible { A(h = sin) }
