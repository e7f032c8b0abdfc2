# error: [E0209] both
mint 1
flow F on Vec[6] ensures invertible { factor half (keep = both) }
