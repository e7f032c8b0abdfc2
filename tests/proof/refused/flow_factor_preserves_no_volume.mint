# error: [E0601] volume_preserving
mint 1
flow F on Vec[4] ensures volume_preserving { factor half  standardize(mean = 0, std = 4) }
