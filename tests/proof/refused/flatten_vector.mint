# error: [E0304] flatten
mint 1
flow F on Vec[8] ensures invertible { flatten }
