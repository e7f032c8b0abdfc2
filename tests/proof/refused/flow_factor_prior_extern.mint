# error: [E0901] Deep
# error: [E0901] Deep
mint 1
extern net Deep from Vec[2] to Vec[2]
flow F on Vec[4] ensures invertible { factor half (prior = Deep) }
