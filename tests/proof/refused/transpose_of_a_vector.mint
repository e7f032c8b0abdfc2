# error: [E0304] transpose(time, channel)
mint 1
flow F on Image[2, 3, 4] ensures invertible { flatten transpose(time, channel) }
