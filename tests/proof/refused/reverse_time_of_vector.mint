# error: [E0304] time
mint 1
flow F on Vec[8] ensures invertible { reverse(time) }
