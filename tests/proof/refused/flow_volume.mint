# error: [E0601] volume_preserving
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow F on Vec[3] ensures volume_preserving { A }
