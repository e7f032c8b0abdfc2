# error: [E0214] lower
mint 1
layer A on Vec[D] ensures invertible { map x -> x }
flow F on Vec[3] ensures lower { A }
