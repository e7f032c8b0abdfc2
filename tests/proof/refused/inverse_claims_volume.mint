# error: [E0601] volume_preserving
# 2 x changes volumes, and so does its inverse
mint 1
layer A on Vec[D] ensures invertible { map x -> 2 * x }
flow F on Vec[4] ensures volume_preserving { A(direction = inverse) }
