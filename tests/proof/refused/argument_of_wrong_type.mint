# error: [E0211] 3
mint 1
layer A(tri: Dir) on Vec[D] ensures invertible { map x -> x }
flow F on Vec[3] ensures invertible { A(tri = 3) }
