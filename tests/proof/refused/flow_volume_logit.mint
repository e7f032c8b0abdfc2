# error: [E0601] volume_preserving
mint 1
flow F on Vec[3] ensures volume_preserving { logit(0.05) }
