# warning: [W0601] A
mint 1
layer A(h: Act) on Vec[D] ensures diag > 0 { map x -> h(x) }
flow F on Vec[3] ensures injective { A(h = tanh) }
