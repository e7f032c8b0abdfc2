# the half that leaves is not made smaller
# error: [E0601] lip <= 0.5
mint 1
flow F on Vec[4] ensures lip <= 0.5 { factor half  standardize(mean = 0, std = 4) }
